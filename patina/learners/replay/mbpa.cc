// MbPA++: a memory of samples is replayed sparsely while a network learns, and at test time a copy
// of the network adapts to the memory's nearest neighbours of each sample. De Masson d'Autume et
// al., "Episodic Memory in Lifelong Language Learning", NeurIPS 2019.
#include <algorithm>
#include <map>

#include "patina/learn/network_learner.h"
#include "patina/memory/kept_inputs.h"
#include "patina/memory/sample_memory.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class Mbpa : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    int64_t memory = 1000000;
    int64_t replay_every = 10000, replay = 100;
    int64_t neighbours = 32, steps = 30;
    double rate = 1e-3, pull = 1e-3;
    std::string adapts = "network";
    void bind(Fields& f) override {
      f("memory", memory, "Samples that may be kept: a reservoir. The paper keeps all.",
        at_least(1));
      f("replay_every", replay_every, "New samples from one step with replay to the next.",
        at_least(1));
      f("replay", replay, "Samples of the memory in such a step.", at_least(1));
      f("neighbours", neighbours, "Samples of the memory that a test sample adapts to (K).",
        at_least(1));
      f("steps", steps, "Steps of that adaptation (L); 0: none, which is sparse replay alone.",
        at_least(0));
      f("rate", rate, "Learning rate of these steps, by Adam.", above(0));
      f("pull", pull, "Weight of the squared distance to the weights before them (λ).",
        at_least(0));
      f("adapts", adapts,
        "What adapts: the network and its head, which takes as many passes for every test sample "
        "as there are steps, or the head alone.",
        {"network", "head"});
    }
  };

  Mbpa(Setup setup, const Options& options)
      : NetworkLearner(setup),
        options_(options),
        key_network_(setup.backbone.clone()),
        memory_(options.memory, SampleMemory::Policy::reservoir, setup.seeds("memory")) {
    nn::freeze(*key_network_);
  }

  // One step in `replay_every` samples is taken with samples of the memory.
  Tensor loss(const Batch& batch, const Step& step) override {
    const int64_t before = met_ / options_.replay_every;
    met_ += batch.size();
    Tensor loss = NetworkLearner::loss(batch, step);
    if (met_ / options_.replay_every == before || memory_.size() == 0) return loss;
    const auto slots = memory_.draw(options_.replay, seeds()("replay", step.number()));
    return loss + task_loss(outputs(inputs(slots)), targets(slots));
  }

  bool divides() const override { return false; }  // samples are counted

  // The key of a sample is its feature under the pre-trained network.
  void remember(const Batch& batch) override {
    const Tensor keys = on_host(key_of(batch.input));
    memory_.offer(batch, [&](size_t slot, int64_t row) {
      inputs_.set(slot, batch.input, row);
      const Tensor key = keys.slice(0, row, row + 1);
      if (int64_t(slot) == kept()) {
        if (kept() == (keys_.defined() ? keys_.size(0) : 0)) grow(key.size(1));
        ++kept_;
      }
      keys_.slice(0, int64_t(slot), int64_t(slot) + 1).copy_(key);
    });
  }

  // Every sample is scored by a copy that adapted to its own neighbours, and nothing of one sample
  // reaches another.
  Tensor scores(const Question& asked) const override {
    if (options_.steps == 0 || memory_.size() == 0) return NetworkLearner::scores(asked);
    NoGrad no_grad;
    const auto near = nearest(asked.input);
    std::vector<Tensor> rows;
    if (options_.adapts == "head") {
      const Tensor features = backbone().features(asked.input);
      // Each neighbour passes through the network once, however many samples it is near to.
      std::map<size_t, int64_t> row_of;
      for (const auto& slots : near)
        for (const size_t slot : slots) row_of.emplace(slot, 0);
      std::vector<size_t> met;
      for (auto& [slot, row] : row_of) row = int64_t(met.size()), met.push_back(slot);
      const Tensor known = backbone().features(inputs(met));
      for (int64_t i = 0; i < asked.size(); ++i) {
        std::vector<int64_t> own;
        for (const size_t slot : near[size_t(i)]) own.push_back(row_of.at(slot));
        const nn::LinearHead head = adapted_head(
            known.index_select(0, tensor_of(own, known.device())), targets(near[size_t(i)]));
        rows.push_back(head(features.slice(0, i, i + 1)).detach());
      }
      return at::cat(rows);
    }
    const auto copy = backbone().clone();
    const Weights before = copied(*copy);
    for (int64_t i = 0; i < asked.size(); ++i) {
      assign(nn::tensors(*copy), before);
      const nn::LinearHead head = adapted(*copy, inputs(near[size_t(i)]), targets(near[size_t(i)]));
      rows.push_back(head(copy->features(asked.input.slice(i, i + 1))));
    }
    return at::cat(rows);
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("memory", memory_);
    a("inputs", inputs_);
    Tensor keys = keys_.defined() ? keys_.slice(0, 0, kept()) : keys_;
    a("keys", keys);
    if (a.loading()) keys_ = on_host(keys);  // as they are compared there
    a("kept", kept_);
    a("met", met_);
  }

 private:
  int64_t kept() const { return kept_; }
  // Doubles the room for keys.
  void grow(int64_t width) {
    constexpr int64_t kFirst = 64;
    const Tensor more = at::zeros({std::max(kept(), kFirst), width});
    keys_ = keys_.defined() ? at::cat({keys_, more}) : more;
  }

  Input inputs(const std::vector<size_t>& slots) const {
    return inputs_.at(slots).on(backbone().place().device);
  }
  Tensor targets(const std::vector<size_t>& slots) const {
    std::vector<int64_t> targets;
    for (const auto& sample : memory_.samples().at(slots)) targets.push_back(sample.target());
    return tensor_of(targets, backbone().place().device);
  }

  Tensor key_of(const Input& input) const {
    NoGrad no_grad;
    return key_network_->features(input);
  }

  // The slots whose keys have the smallest Euclidean distances to each sample's, nearest first.
  std::vector<std::vector<size_t>> nearest(const Input& input) const {
    NoGrad no_grad;
    const Tensor key = on_host(key_of(input)), keys = keys_.slice(0, 0, kept());
    const Tensor squared = keys.square().sum(1).unsqueeze(0) - at::matmul(key, keys.t()) * 2;
    const int64_t count = std::min(options_.neighbours, kept());
    const auto [distance, found] = at::topk(-squared, count, 1);
    std::vector<std::vector<size_t>> slots;
    for (int64_t i = 0; i < found.size(0); ++i) {
      const auto row = items_of(found[i]);
      slots.emplace_back(row.begin(), row.end());
    }
    return slots;
  }

  // L steps of Adam on -1/K Σ log p(y_k | x_k; W) + λ |W - W_before|² (equation 1 of the paper).
  template <class Outputs>
  void adapt(const std::vector<Tensor>& weights, const Tensor& target, Outputs outputs) const {
    const at::AutoGradMode gradients(true);
    Weights before;
    for (const auto& weight : weights) before.push_back(weight.detach().clone());
    Optimizer optimizer({.optimizer = "adam", .lr = options_.rate, .schedule = "constant"},
                        {{weights}});
    for (int64_t step = 0; step < options_.steps; ++step) {
      optimizer.zero_grad();
      Tensor loss = nn::cross_entropy(outputs(), target);
      for (size_t i = 0; i < weights.size(); ++i)
        loss = loss + (weights[i] - before[i]).square().sum() * options_.pull;
      loss.backward();
      optimizer.step(options_.rate);
    }
  }

  nn::LinearHead copied_head() const {
    return {head().weight.detach().clone().requires_grad_(true),
            head().bias.detach().clone().requires_grad_(true)};
  }

  nn::LinearHead adapted_head(const Tensor& features, const Tensor& target) const {
    nn::LinearHead head = copied_head();
    adapt({head.weight, head.bias}, target, [&] { return head(features); });
    return head;
  }

  nn::LinearHead adapted(Backbone& network, const Input& input, const Tensor& target) const {
    nn::LinearHead head = copied_head();
    std::vector<Tensor> weights = {head.weight, head.bias};
    for (const auto& item : nn::trainable(network)) weights.push_back(item.tensor);
    adapt(weights, target, [&] { return head(network.features(input)); });
    return head;
  }

  Options options_;
  std::unique_ptr<Backbone> key_network_;  // the pre-trained one
  SampleMemory memory_;
  KeptInputs inputs_;  // by slot
  Tensor keys_;        // [room,D], of which the first `kept_` rows are keys, by slot; on the host
  int64_t kept_ = 0;
  int64_t met_ = 0;  // samples trained on, each as often as it was
};

LearnerRow mbpa_learner() {
  return learner_row<Mbpa>(
      {.paper = "de Masson d'Autume et al., NeurIPS 2019 (MbPA++)",
       .about = "Replays sparsely, and adapts a copy of the network to each test sample's nearest "
                "neighbours in the memory.",
       .stores = "The network, a head, and of every sample its input as the network reads it, its "
                 "class and its key.",
       .differs = "The loss of the replayed samples is added to that of a batch, instead of a step "
                  "of its own. Neighbours are the nearest by Euclidean distance, as in the paper; "
                  "public code takes the largest products and replays 64 samples in 6400.",
       .keeps_samples = true,
       .answers_from_samples = true,
       .network = Network::any,
       .training = {
           .epochs = 1,
           .batch_size = 32,
           .optimizer = {
               .optimizer = "adamw", .lr = 3e-5, .weight_decay = 0.01, .schedule = "constant"}}});
}

}  // namespace patina

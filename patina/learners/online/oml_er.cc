// OML-ER: a representation is meta-learned so that a head which takes a few steps on what comes
// does well on what comes next, or on what is remembered; before it answers the head takes such
// steps on the memory. Holla et al., "Meta-Learning with Sparse Experience Replay for Lifelong
// Language Learning", 2020.
#include <algorithm>

#include "patina/config/sizes.h"
#include "patina/learn/network_learner.h"
#include "patina/memory/sample_memory.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class OmlEr : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    int64_t memory = 1000000;
    int64_t support = 5;
    double inner_rate = 1e-3;
    int64_t replay_every = 9600;
    double replay_part = 0.01;
    void bind(Fields& f) override {
      f("memory", memory, "Samples that may be kept: a reservoir. The paper keeps all.",
        at_least(1));
      f("support", support,
        "Parts of a batch that the head takes a step on each (m); the last part, of the same size, "
        "is the query.",
        at_least(1));
      f("inner_rate", inner_rate, "Learning rate of the head's own steps.", above(0));
      f("replay_every", replay_every, "New samples from one query of the memory to the next.",
        at_least(1));
      f("replay_part", replay_part, "Size of such a query over `replay_every`.",
        {.low = 0, .high = 1, .low_open = true});
    }
  };

  OmlEr(Setup setup, const Options& options)
      : NetworkLearner(setup),
        options_(options),
        samples_(setup.loader()),
        memory_(options.memory, SampleMemory::Policy::reservoir, setup.seeds("memory")) {}

  void begin_classes(int64_t fresh) override {
    NetworkLearner::begin_classes(fresh);
    adapted_ = {};
  }

  // The head takes a step on every part of the support set; the loss is that of the
  // query under the head which results. The gradient is of first order: the steps count as
  // constants (section 4.1 of the paper).
  Tensor loss(const Batch& batch, const Step& step) override {
    adapted_ = {};
    const int64_t before = met_ / options_.replay_every;
    met_ += batch.size();
    const bool replays = met_ / options_.replay_every > before && memory_.size() > 0;
    const int64_t part = std::max<int64_t>(1, batch.size() / (options_.support + 1));
    const int64_t last = std::min(part * options_.support, batch.size() - 1);
    nn::LinearHead inner = copy_of_head();
    for (int64_t from = 0; from < last; from += part)
      descend(inner, batch.slice(from, std::min(from + part, last)));
    const Batch query = replays ? remembered(step) : batch.slice(last, batch.size());
    // W' = W - the steps, of which W has the gradient.
    const nn::LinearHead moved{head().weight + (inner.weight - head().weight).detach(),
                               head().bias + (inner.bias - head().bias).detach()};
    return task_loss(moved(backbone().features(query.input)), query.target);
  }

  bool divides() const override { return false; }  // samples are counted

  void remember(const Batch& batch) override { memory_.offer(batch); }

  // The head takes a step on each of as many batches of the memory as a training batch has parts.
  void before_scores(Trainer& trainer) override {
    if (memory_.size() == 0 || adapted_.weight.defined()) return;
    nn::LinearHead inner = copy_of_head();
    const int64_t part =
        std::max<int64_t>(1, trainer.options().batch_size / (options_.support + 1));
    for (int64_t i = 0; i < options_.support; ++i) {
      const auto number = uint64_t(met_) * 64 + uint64_t(i);
      const auto slots = memory_.draw(part, seeds()("test", number));
      descend(inner, samples_(memory_.samples().at(slots), seeds()("test augment", number)));
    }
    adapted_ = inner;
  }

  Tensor scores(const Question& asked) const override {
    if (!adapted_.weight.defined()) return NetworkLearner::scores(asked);
    NoGrad no_grad;
    return adapted_(backbone().features(asked.input));
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("memory", memory_);
    a("met", met_);
    a("adapted.weight", adapted_.weight);
    a("adapted.bias", adapted_.bias);
  }

 private:
  nn::LinearHead copy_of_head() const {
    return {head().weight.detach().clone(), head().bias.detach().clone()};
  }

  // A step of gradient descent on a batch; the features stay.
  void descend(nn::LinearHead& inner, const Batch& batch) const {
    const Tensor features = [&] {
      NoGrad no_grad;
      return backbone().features(batch.input);
    }();
    NoGrad no_grad;
    // d CE / d scores = (p - y) / B among the classes that compete.
    const Tensor p = at::softmax(competing(inner(features), batch.target), 1);
    const Tensor error =
        (p - at::one_hot(batch.target, p.size(1)).to(p.scalar_type())) / double(batch.size());
    inner.weight = inner.weight - at::matmul(error.t(), features) * options_.inner_rate;
    inner.bias = inner.bias - error.sum(0) * options_.inner_rate;
  }

  Batch remembered(const Step& step) const {
    const auto count = step.share(
        std::max<int64_t>(1, int64_t(double(options_.replay_every) * options_.replay_part)));
    const auto number = step.number();
    const auto slots = memory_.draw(count, seeds()("replay", number));
    return samples_(memory_.samples().at(slots), seeds()("replay augment", number));
  }

  Options options_;
  const SampleLoader& samples_;
  SampleMemory memory_;
  int64_t met_ = 0;         // samples trained on, each as often as it was
  nn::LinearHead adapted_;  // what answers; undefined while training goes on
};

LearnerRow oml_er_learner() {
  return learner_row<OmlEr>(
      {.paper = "Holla et al., 2020 (OML-ER)",
       .about = "Meta-learns a network whose head adapts in a few steps; the memory is asked "
                "sparsely, and adapts the head before it answers.",
       .stores = "The network, a head and its adapted copy, the memory's samples.",
       .differs = "A batch has six parts of sixteen samples, of which five are steps of the head "
                  "and one is the query; in the paper each part is a batch.",
       .keeps_samples = true,
       .network = Network::any,
       .training = {
           .epochs = 1,
           .batch_size = 96,
           .optimizer = {
               .optimizer = "adamw", .lr = 3e-5, .weight_decay = 0.01, .schedule = "constant"}}});
}

}  // namespace patina

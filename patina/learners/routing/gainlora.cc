// GainLoRA ("Gated Integration of Low-Rank Adaptation for Continual Learning of Language Models",
// NeurIPS 2025): every task has a LoRA and a gate, which reads a prompt and says how much of that
// LoRA answers it. What the gates of later tasks compute from the prompts of earlier ones stays 0.
#include <cmath>

#include "patina/algebra/linear_algebra.h"
#include "patina/algebra/subspace.h"
#include "patina/learners/instruction/confined_lora.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/models/text/text_tower.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// a = |2 σ(4 cos(h, k)) - 1| of h = SiLU(V SiLU(U u)), for a prompt's mean embedding u.
struct Gate {
  Tensor inner, outer, key;  // U [H,D], V [D,H], k [D]

  Tensor hidden(const Tensor& u) const { return at::silu(nn::linear(u, inner)); }  // [N,H]
  Tensor features(const Tensor& hidden) const { return at::silu(nn::linear(hidden, outer)); }
  Tensor operator()(const Tensor& u) const {  // [N,D] -> [N]
    const Tensor cosine = at::cosine_similarity(features(hidden(u)), key.unsqueeze(0), 1);
    return (at::sigmoid(cosine * 4) * 2 - 1).abs();
  }
  void walk(nn::Walk& w) {
    w("inner", inner);
    w("outer", outer);
    w("key", key);
  }
};

// Σ x xᵀ of rows [N,n], in double.
void add_moment(Tensor& moment, const Tensor& rows) {
  const int64_t n = rows.size(1);
  if (!moment.defined()) moment = at::zeros({n, n}, rows.options().dtype(at::kDouble));
  add_product(moment, rows.t(), rows.t());
}

}  // namespace

class GainLora : public LoraPerTask {
 public:
  struct Options : LearnerOptions {
    int64_t hidden = 100;
    double energy = 0.995;
    adapt::LoraOptions lora{.rank = 4, .alpha = 32, .parts = "qv"};
    void bind(Fields& f) override {
      f("hidden", hidden, "Width of a gate's hidden layer.", at_least(1));
      f("energy", energy,
        "Part of the energy of what earlier tasks made layers and gates read that later tasks "
        "leave alone.",
        {.low = 0, .high = 1, .low_open = true});
      lora.bind(f);
    }
  };

  GainLora(Setup setup, const Options& options)
      : LoraPerTask(setup, options.lora), options_(options) {
    freeze_directions();
    bases_.resize(lora()->updates().size());
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    LoraPerTask::begin_task(task, trainer);
    add_gate(task.index);
    NoGrad no_grad;
    const Moments moments = measured(task, trainer);
    // A = the leading directions of the layer's input that earlier tasks left free, / √3.
    const auto updates = lora()->updates();
    for (size_t i = 0; i < updates.size(); ++i) {
      Tensor a = updates[i].a;
      a.copy_(begun(moments.layers.of(updates[i]), bases_[i], a.size(0)) / std::sqrt(3.0));
    }
    Gate& gate = gates_.back();
    const Tensor key = begun(moments.features, basis_of_features_, 1).squeeze(0);
    gate.key.copy_(key / key.norm().clamp_min(kLeast) * gate.key.norm());
  }

  // What the gate computes from directions of earlier tasks does not change.
  void after_step(const Batch&, const Step&) override {
    if (gates_.size() < 2) return;
    NoGrad no_grad;
    Gate& gate = gates_.back();
    const Gate& before = gates_[gates_.size() - 2];
    const auto hold = [](Tensor& now, const Tensor& then, const Tensor& basis) {
      now.copy_(then + outside_rows(now - then, basis));
    };
    hold(gate.inner, before.inner, basis_of_prompts_);
    hold(gate.outer, before.outer, basis_of_hidden_);
    const Tensor free = outside_rows(gate.key.unsqueeze(0), basis_of_features_).squeeze(0);
    gate.key.copy_(free / free.norm().clamp_min(kLeast) * gate.key.norm());
  }

  void end_task(const Task& task, Trainer& trainer) override {
    NoGrad no_grad;
    const Moments moments = measured(task, trainer);
    const auto extend = [&](Tensor& basis, const Tensor& moment) {
      basis = extended_rows(basis, moment, options_.energy);
    };
    extend(basis_of_prompts_, moments.prompts);
    extend(basis_of_hidden_, moments.hidden);
    extend(basis_of_features_, moments.features);
    const auto updates = lora()->updates();
    for (size_t i = 0; i < updates.size(); ++i) extend(bases_[i], moments.layers.of(updates[i]));
  }

  nn::Adaptations adaptations(const Input& input) const override {
    if (gates_.empty()) return AnswerLearner::adaptations(input);
    const Prompts prompts = prompts_of(input);
    const Tensor u = pooled(prompts.input);
    std::vector<Tensor> weights;
    for (const auto& gate : gates_) weights.push_back(gate(u));
    return mixed(loras(), prompts, at::stack(weights, 1));
  }

  std::vector<ParamGroup> trainable() override {
    if (gates_.empty()) return {trainable_group(*lora())};
    return {trainable_group(*lora(), gates_.back())};
  }

  void state(Archive& a) override {
    LoraPerTask::state(a);
    int64_t gates = int64_t(gates_.size());
    a("gates", gates);
    while (int64_t(gates_.size()) < gates) add_gate(int(gates_.size()));
    for (size_t i = 0; i < gates_.size(); ++i) a(fmt::format("gate_{}", i), gates_[i]);
    a("basis_of_prompts", basis_of_prompts_);
    a("basis_of_hidden", basis_of_hidden_);
    a("basis_of_features", basis_of_features_);
    for (size_t i = 0; i < bases_.size(); ++i) a(fmt::format("basis_{}", i), bases_[i]);
  }

 private:
  static constexpr double kLeast = 1e-12;
  struct Moments {
    InputMoments layers;
    Tensor prompts, hidden, features;  // of the present gate
  };

  Tensor pooled(const Input& prompts) const {
    return mean_of(word_embeddings(backbone(), prompts), prompts.mask);
  }

  // The leading directions of what of a moment is outside a basis, as rows.
  static Tensor begun(const Tensor& moment, const Tensor& basis, int64_t count) {
    const double scale = moment.norm().item<double>();
    return leading_rows(outside_rows(moment, basis), count, scale).to(at::kFloat);
  }

  // A gate begins as the one before it, and the key is drawn for its length.
  void add_gate(int task) {
    const int64_t width = backbone().block().width;
    Random random = seeds()("gate", uint64_t(task));
    Gate gate{at::empty({options_.hidden, width}), at::empty({width, options_.hidden}),
              at::empty({width})};
    nn::init_kaiming(gate.inner, random);
    nn::init_kaiming(gate.outer, random);
    nn::init_uniform(gate.key, random, 1 / std::sqrt(double(width)));
    nn::bring(gate, {.device = backbone().place().device});
    if (!gates_.empty()) {
      gate.inner = gates_.back().inner.detach().clone();
      gate.outer = gates_.back().outer.detach().clone();
      nn::freeze(gates_.back());
    }
    nn::freeze(gate, false);
    gates_.push_back(std::move(gate));
  }

  Moments measured(const Task& task, Trainer& trainer) {
    Moments moments{.layers = InputMoments(lora()->updates())};
    const Gate& gate = gates_.back();
    trainer.each_batch(*task.train, "measuring directions", [&](const Batch& batch) {
      const Tensor u = pooled(prompts_of(batch.input).input), hidden = gate.hidden(u);
      add_moment(moments.prompts, u);
      add_moment(moments.hidden, hidden);
      add_moment(moments.features, gate.features(hidden));
      nn::Adaptations all = adaptations(batch.input);
      all.add(&moments.layers);
      moments.layers.set_mask(batch.input.mask);
      backbone().tokens(batch.input, all);
    });
    return moments;
  }

  Options options_;
  std::vector<Gate> gates_;  // one a task, all but the last frozen
  Tensor basis_of_prompts_, basis_of_hidden_, basis_of_features_;  // M1 [m,D], M2 [m,H], M3 [m,D]
  std::vector<Tensor> bases_;  // of what the layer of each update reads
};

LearnerRow gainlora_learner() {
  return learner_row<GainLora>(
      {.paper = "Liang and Li, NeurIPS 2025",
       .about =
           "Gives every task a LoRA and a gate that reads the prompt; the gates of later tasks "
           "stay closed to what earlier tasks read.",
       .stores = "A LoRA and a gate a task, and bases of what layers and gates read.",
       .differs = "A prompt's mean embedding leaves out padding, which the authors' code divides "
                  "by. The gate's updates are kept out of earlier directions, as the paper has it; "
                  "the code projects the weights. Directions are those of whole inputs, where the "
                  "code cuts these into pieces, and the part of the energy does not grow with the "
                  "tasks, whose number is not known.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 50,
                    .batch_size = 32,
                    .optimizer = {.optimizer = "adamw", .lr = 3e-4, .schedule = "constant"}}});
}

}  // namespace patina

// MVP: prompts for streams without boundaries. A sample uses the expert with the nearest key, and
// the expert's mask over the scores. Samples whose gradient differs from the batch's, and features
// that say little about their class, are weighted more. Moon et al., "Online Class Incremental
// Learning on Stochastic Blurry Task Boundary via Mask and Visual Prompt Tuning", ICCV 2023.
#include "patina/adapt/per_sample.h"
#include "patina/base/json.h"
#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learn/usage.h"
#include "patina/learners/prompt/key_query.h"
#include "patina/learners/prompt/prompt_learner.h"
#include "patina/nn/heads.h"
#include "patina/ops.h"

namespace patina {

class Mvp : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t pool = 5, general_length = 5, expert_length = 20;
    std::vector<int64_t> general_layers = {0, 1}, expert_layers = {2, 3, 4};
    double ignored = 0.5, focus = 2, margin = 0.5;
    bool spread = true;
    void bind(Fields& f) override {
      f("pool", pool, "Experts: the paper has as many as the stream has tasks.", sized(1));
      f("general_length", general_length,
        "Number of keys, and of values, that all samples share in a block.", sized(1));
      f("general_layers", general_layers,
        "Blocks with shared prefixes; the network need not have all.", at_least(0));
      f("expert_length", expert_length, "Number of keys, and of values, of each expert in a block.",
        sized(1));
      f("expert_layers", expert_layers, "Blocks with experts; the network need not have all.",
        at_least(0));
      f("ignored", ignored,
        "Part of the loss that counts samples by how far their gradient is from the batch's (α); "
        "0: none.",
        between(0, 1));
      f("focus", focus, "Power of that distance (γ).", at_least(0));
      f("margin", margin,
        "In training a feature is divided by its cosine distance to its class's row and so much "
        "more (m); 0: by nothing.",
        at_least(0));
      f("spread", spread, "Whether training makes experts that were chosen often seem farther.");
    }
  };

  Mvp(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        layers_(blocks_within(backbone_, options.expert_layers)),
        chosen_before_(size_t(options.pool)) {
    Random random = seeds_("prompts");
    general_ = make_prefix({.length = options.general_length,
                            .layers = blocks_within(backbone_, options.general_layers)},
                           backbone_.tower(), random);
    const Place place = backbone_.place();
    experts_ = at::empty({options.pool, int64_t(layers_.size()), 2, options.expert_length,
                          backbone_.block().key_width()},
                         place.options());
    keys_ = at::empty({options.pool, backbone_.width()}, place.options());
    for (Tensor* tensor : {&experts_, &keys_}) {
      draw_prompts(*tensor, random, /*wide=*/true);
      tensor->requires_grad_(true);
    }
  }

  void begin_classes(int64_t fresh) override {
    Random random = seeds_("head", uint64_t(head_.classes()));
    head_.grow(head_.classes() + fresh, backbone_.width(), random, backbone_.place());
    mask_ = nn::grown(mask_, at::full({fresh, options_.pool}, -1.0, experts_.options()));
  }

  // mean_i ((1 - α) L_i + α ign_i^γ L_i) + mean distance to the chosen keys.
  Tensor loss(const Batch& batch, const Step& step) override {
    const Tensor distance = distances(batch.input);
    const Tensor chosen = nearest_expert(distance, /*training=*/true);
    collect(chosen_, chosen, step);
    const Tensor features = scaled(prompted(batch.input, chosen), batch.target);
    const Tensor log_p = at::log_softmax(masked(head_(features), chosen), 1);
    const Tensor own = -log_p.gather(1, batch.target.unsqueeze(1)).squeeze(1);
    const Tensor weight =
        1 - options_.ignored + options_.ignored * ignorance(features, log_p, batch);
    return (own * weight).mean() + distance.gather(1, chosen).mean();
  }

  bool divides() const override { return false; }  // choices of a step are counted after it

  void after_step(const Batch&, const Step&) override {
    usage_.reset();
    for (const int64_t expert : items_of(chosen_.flatten())) ++chosen_before_[size_t(expert)];
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor chosen = nearest_expert(distances(asked.input), /*training=*/false);
    usage_.add(chosen, options_.pool);
    return masked(head_(prompted(asked.input, chosen)), chosen);
  }

  bool answers_untrained() const override { return true; }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(*general_, head_);
    group.tensors.insert(group.tensors.end(), {mask_, experts_, keys_});
    return {group};
  }

  void state(Archive& a) override {
    a("general", *general_);
    a("experts", experts_);
    a("keys", keys_);
    a("mask", mask_);
    a("head", head_);
    a("chosen_before", chosen_before_);
  }

  Usage* usage() override { return &usage_; }
  Json diagnostics() const override { return usage_.json(); }

 private:
  // 1 - cos(q(x), K_m): [B,M].
  Tensor distances(const Input& input) const {
    return 1 - cosine_scores(backbone_.features(input), keys_);
  }
  Tensor nearest_expert(const Tensor& distance, bool training) const {  // [B,1]
    Tensor seen = distance.detach();
    if (training && options_.spread)
      seen = seen * (tensor_of(chosen_before_, seen.device()).to(at::kFloat) + 1);
    return nearest(-seen, 1);
  }

  Tensor prompted(const Input& input, const Tensor& chosen) const {
    adapt::SamplePrefix expert;
    expert.set(layers_, picked(experts_, chosen).squeeze(1));
    return backbone_.features(input, {general_.get(), &expert});
  }

  // z ⊙ 2 σ(mask of the expert).
  Tensor masked(const Tensor& scores, const Tensor& chosen) const {
    const Tensor mask = mask_.index_select(1, chosen.flatten()).t();  // [B,K]
    return scores * (at::sigmoid(mask) * 2);
  }

  // Adaptive feature scaling: f / (1 - cos(w_y, f) + m).
  Tensor scaled(const Tensor& features, const Tensor& target) const {
    if (options_.margin == 0) return features;
    const Tensor rows = head_.weight.detach().index_select(0, target);
    const Tensor distance = 1 - at::cosine_similarity(rows, features.detach(), 1);
    return features / (distance + options_.margin).unsqueeze(1);
  }

  // Gradient similarity: (1 - cos(g_i, mean g))^γ; g is the gradient of the head's row for the
  // sample's class, for the sample alone and for the batch: [B].
  Tensor ignorance(const Tensor& features, const Tensor& log_p, const Batch& batch) const {
    NoGrad no_grad;
    const Tensor off = at::exp(log_p) - at::one_hot(batch.target, log_p.size(1)).to(at::kFloat);
    const Tensor f = features.detach();
    const Tensor mean = off.t().mm(f).index_select(0, batch.target);
    const Tensor own = off.gather(1, batch.target.unsqueeze(1)) * f;
    const Tensor distance = (1 - at::cosine_similarity(own, mean, 1)).clamp_min(0);
    return distance.pow(options_.focus);
  }

  const Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  std::vector<int64_t> layers_;  // L blocks with experts
  std::unique_ptr<adapt::Prefix> general_;
  Tensor experts_;  // [M,L,2,length,Hk d], keys and values
  Tensor keys_;     // [M,D]
  Tensor mask_;     // [K,M], before the sigmoid
  nn::LinearHead head_;
  std::vector<int64_t> chosen_before_;  // per expert, in training
  Tensor chosen_;                       // [B,1], of the current step
  mutable Usage usage_;                 // of evaluations since the newest step
};

LearnerRow mvp_learner() {
  return learner_row<Mvp>(
      {.paper = "Moon et al., ICCV 2023",
       .about = "Prompts found by keys, each with a mask over the scores, for streams without "
                "boundaries.",
       .stores = "The prompts, their keys and masks, a head.",
       .differs = "Losses are weighed sample by sample; the authors' code weighs a batch's mean. "
                  "Prompts are prefixes in every block that has them.",
       .training = {.epochs = 5,
                    .batch_size = 64,
                    .updates_per_batch = 3,
                    .optimizer = {.optimizer = "adam", .lr = 5e-3, .schedule = "constant"}}});
}

}  // namespace patina

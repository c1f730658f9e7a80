// FlyPrompt: a ridge regression on randomly expanded features, updated in closed form, routes each
// sample to one of several prompted experts. The expert answers by its head or one of the head's
// moving averages, whichever is most confident. Yan et al., "FlyPrompt: Brain-Inspired
// Random-Expanded Routing with Temporal-Ensemble Experts for General Continual Learning", ICLR
// 2026.
#include "patina/algebra/random_projection.h"
#include "patina/algebra/ridge.h"
#include "patina/base/json.h"
#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learn/learner.h"
#include "patina/learn/usage.h"
#include "patina/learners/prompt/key_query.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class FlyPrompt : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t length = 20;
    std::vector<int64_t> layers = {0, 1, 2, 3, 4};
    int64_t samples_per_expert = 10000, projection = 10000;
    double penalty = 100;
    std::vector<double> averages = {0.9, 0.99};
    void bind(Fields& f) override {
      f("length", length, "Number of keys, and of values, of each expert in a block.", sized(1));
      f("layers", layers, "Blocks with experts; the network need not have all.", at_least(0));
      f("samples_per_expert", samples_per_expert,
        "Samples after which the next expert begins, where the stream does not tell its tasks.",
        at_least(1));
      f("projection", projection, "Random features ReLU(f R) that choose the expert.", sized(1));
      f("penalty", penalty, "The λ of that ridge regression.", above(0));
      f("averages", averages, "What each moving average of a head keeps of itself at every step.",
        between(0, 1));
    }
  };

  FlyPrompt(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        told_(setup.grant.boundaries),
        expand_(backbone_.width(), options.projection, seeds_("projection"), backbone_.place()) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    add_expert();
    Learner::begin_task(task, trainer);
  }

  void begin_classes(int64_t fresh) override {
    if (experts_.empty()) add_expert();
    Expert& expert = experts_.back();
    classes_ += fresh;
    Random random = seeds_("head", uint64_t(classes_));
    expert.head.grow(classes_, backbone_.width(), random, backbone_.place());
    for (auto& average : expert.averages) {
      const int64_t known = average.weight.defined() ? average.weight.size(0) : 0;
      const auto more = [&](const Tensor& old, const Tensor& now) {
        const Tensor rows = now.detach().slice(0, known).clone();
        return known > 0 ? at::cat({old, rows}) : rows;
      };
      average.weight = more(average.weight, expert.head.weight);
      average.bias = more(average.bias, expert.head.bias);
    }
  }

  void observe(const Batch& batch, Trainer& trainer) override {
    if (!told_ && seen_ / options_.samples_per_expert >= int64_t(experts_.size())) add_expert();
    Learner::observe(batch, trainer);
  }

  Tensor loss(const Batch& batch, const Step&) override {
    const Expert& expert = experts_.back();
    return nn::cross_entropy(expert.head(backbone_.features(batch.input, {expert.prefix.get()})),
                             batch.target);
  }

  void after_step(const Batch&, const Step&) override {
    usage_.reset();
    Expert& expert = experts_.back();
    for (size_t i = 0; i < expert.averages.size(); ++i)
      follow(nn::tensors(expert.averages[i]), weights_of(expert.head), options_.averages[i]);
  }

  // The router learns each sample once.
  void remember(const Batch& batch) override {
    seen_ += batch.size();
    const auto expert = int64_t(experts_.size()) - 1;
    router_.add(expanded(batch.input), at::full({batch.size()}, expert, batch.target.options()),
                expert + 1);
    routes_ = Tensor();
  }

  void before_scores(Trainer&) override {
    if (experts_.size() > 1 && !routes_.defined()) routes_ = router_.solve(options_.penalty);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    const Tensor chosen = routed(asked.input);
    usage_.add(chosen, int64_t(experts_.size()));
    Tensor scores = at::zeros({asked.size(), classes_}, backbone_.place().options());
    for (size_t e = 0; e < experts_.size(); ++e) {
      const Tensor rows = (chosen == int64_t(e)).nonzero().flatten();
      if (rows.numel() == 0) continue;
      const Tensor own = answered(experts_[e], asked.input.at(rows));
      scores.slice(1, 0, own.size(1)).index_copy_(0, rows, own);
    }
    return scores;
  }

  bool answers_untrained() const override { return true; }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*experts_.back().prefix, experts_.back().head)};
  }

  void state(Archive& a) override {
    a("router", router_);
    a("seen", seen_);
    a("classes", classes_);
    int64_t count = int64_t(experts_.size());
    a("experts", count);
    if (a.loading()) experts_.clear();
    while (int64_t(experts_.size()) < count) add_expert();
    for (size_t e = 0; e < experts_.size(); ++e) a(fmt::format("expert_{}", e), experts_[e]);
    routes_ = Tensor();
  }

  Usage* usage() override { return &usage_; }
  Json diagnostics() const override { return usage_.json(); }

 private:
  struct Expert {
    std::unique_ptr<adapt::Prefix> prefix;
    nn::LinearHead head;
    std::vector<nn::LinearHead> averages;  // of the head

    void state(Archive& a) {
      a("prefix", *prefix);
      a("head", head);
      for (size_t i = 0; i < averages.size(); ++i) a(fmt::format("average_{}", i), averages[i]);
    }
  };

  // Initialised with the mean of all earlier prompts and with the last head; those are frozen.
  void add_expert() {
    Random random = seeds_("expert", uint64_t(experts_.size()));
    Expert expert;
    expert.prefix = make_prefix(
        {.length = options_.length, .layers = blocks_within(backbone_, options_.layers)},
        backbone_.tower(), random);
    expert.averages.resize(options_.averages.size());
    if (!experts_.empty()) {
      std::vector<Weights> earlier;
      for (auto& other : experts_) earlier.push_back(weights_of(*other.prefix));
      assign(nn::tensors(*expert.prefix), soup(earlier));
      Expert& last = experts_.back();
      nn::freeze(*last.prefix);
      nn::freeze(last.head);
      expert.head = *nn::copy_of(last.head);
      for (auto& average : expert.averages) average = *nn::copy_of(last.head);
      nn::freeze(expert.head, false);
    }
    experts_.push_back(std::move(expert));
  }

  Tensor expanded(const Input& input) const {  // [B,M]
    return expand_(backbone_.features(input));
  }

  // argmax of φ(x) (ΦᵀΦ + λ I)⁻¹ ΦᵀC over experts, with C one-hot for the expert that learned a
  // sample: [B].
  Tensor routed(const Input& input) const {
    if (experts_.size() == 1)
      return at::zeros({input.size()}, backbone_.place().options().dtype(at::kLong));
    return at::argmax(expanded(input).mm(routes_), 1);
  }

  // For each class the largest probability by the head and its averages: [B,K_expert].
  Tensor answered(const Expert& expert, const Input& input) const {
    const Tensor features = backbone_.features(input, {expert.prefix.get()});
    Tensor best = at::softmax(expert.head(features), 1);
    for (const auto& average : expert.averages)
      best = at::maximum(best, at::softmax(average(features), 1));
    return best;
  }

  const Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  bool told_;  // whether task boundaries are known
  RandomProjection expand_;
  RidgeStatistics router_;
  Tensor routes_;  // [M,E]; undefined: not solved yet
  std::vector<Expert> experts_;
  int64_t seen_ = 0, classes_ = 0;
  mutable Usage usage_;  // of evaluations since the newest step
};

LearnerRow flyprompt_learner() {
  return learner_row<FlyPrompt>(
      {.paper = "Yan et al., ICLR 2026",
       .about =
           "Prompted experts, chosen by a ridge regression on random features; each answers by "
           "its head or the head's moving averages.",
       .stores = "The expanded features of all samples, or their products once these are fewer; an "
                 "expert's prompt, head and averages.",
       .differs =
           "Where a stream does not tell its tasks, experts begin after a number of samples, "
           "and not with the tasks.",
       .training = {.epochs = 5,
                    .batch_size = 64,
                    .updates_per_batch = 3,
                    .optimizer = {.optimizer = "adam", .lr = 5e-3, .schedule = "constant"}}});
}

}  // namespace patina

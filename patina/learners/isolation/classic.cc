// CLASSIC: adapters whose units hard attention divides among domains, with one head for all. Three
// contrasts move knowledge between them: samples of one class are drawn together, and a sample to
// what the masks of earlier domains made of it. Ke et al., "CLASSIC: Continual and Contrastive
// Learning of Aspect Sentiment Classification Tasks", EMNLP 2021.
#include <cmath>

#include "patina/algebra/cosine.h"
#include "patina/learners/isolation/contrast.h"
#include "patina/learners/isolation/masked_adapters.h"
#include "patina/learners/representation/task_adapters.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Classic : public MaskedAdapterLearner {
 public:
  struct Options : LearnerOptions, MaskedAdapterOptions {
    double temperature = 1;
    double supervised = 1, shared = 1, distilled = 1;
    std::string identity = "last";
    void bind(Fields& f) override {
      MaskedAdapterOptions::bind(f);
      f("temperature", temperature, "Of the contrasts (τ).", above(0));
      f("supervised", supervised, "Weight of drawing samples of one class together.", at_least(0));
      f("shared", shared,
        "Weight of the contrast with the mixture of what all earlier masks make of a sample.",
        at_least(0));
      f("distilled", distilled, "Weight of the contrasts with what each of them makes of it.",
        at_least(0));
      f("identity", identity,
        "Whose masks answer: the last domain's, or those of the least entropy of the classes.",
        {"last", "entropy"});
    }
  };

  Classic(Setup setup, const Options& options)
      : MaskedAdapterLearner(setup, options, Sharing::none), options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    Task masks = task;
    masks.fresh.clear();
    MaskedAdapterLearner::begin_task(masks, trainer);
    Random random = seeds()("head", uint64_t(task.index));
    head_.grow(int64_t(task.seen.size()), backbone().width(), random, backbone().place());
    if (task.index < 2) return;  // there is nothing to mix
    NoGrad no_grad;
    mix_ = nn::Linear(backbone().width(), backbone().width(), /*with_bias=*/false);
    nn::init_kaiming(mix_.weight, random);
    nn::bring(mix_, backbone().place());
    nn::freeze(mix_, false);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    if (asked.task.defined() || options_.identity == "last" || tasks() < 2)
      return head_(features(asked.input, tasks() - 1));
    std::vector<Tensor> scores;
    for (size_t t = 0; t < tasks(); ++t) scores.push_back(head_(features(asked.input, t)));
    return least_entropy(scores);
  }

  bool answers_untrained() const override { return true; }

  std::vector<ParamGroup> trainable() override {
    auto groups = MaskedAdapterLearner::trainable();
    for (auto* module : {&mix_.weight, &head_.weight, &head_.bias})
      if (module->defined()) groups[0].tensors.push_back(*module);
    return groups;
  }

  void state(Archive& a) override {
    MaskedAdapterLearner::state(a);
    a("head.all", head_);
    a("mix", mix_.weight);
  }

 private:
  // CE + what is contrasted: with fellows of a class, with a mixture of what the masks of earlier
  // domains make of the same sample, and with each of these.
  Tensor error(const Tensor& z, const Batch& batch, const Step&) override {
    const Tensor h = normalized(z);
    const double tau = options_.temperature;
    Tensor loss = nn::cross_entropy(head_(z), batch.target) +
                  supervised_contrast(h, batch.target, tau) * options_.supervised;
    const size_t earlier = tasks() - 1;
    if (earlier == 0) return loss;
    std::vector<Tensor> made;
    for (size_t t = 0; t < earlier; ++t) {
      NoGrad no_grad;
      made.push_back(features(batch.input, t));
    }
    const Tensor all = at::stack(made, 1);                       // [B,T,D]
    Tensor weights = at::ones({all.size(0), 1}, all.options());  // [B,T]
    if (mix_.weight.defined()) {
      const double scale = 1 / std::sqrt(double(all.size(2)));
      weights = at::softmax(at::matmul(all, mix_(z).unsqueeze(2)).squeeze(2) * scale, 1);
    }
    const Tensor mixture = (weights.unsqueeze(2) * all).sum(1);
    loss = loss + contrast(h, normalized(mixture), tau) * options_.shared;
    for (const auto& one : made)
      loss = loss + contrast(h, normalized(one), tau) * (options_.distilled / double(earlier));
    return loss;
  }

  Options options_;
  nn::LinearHead head_;  // of all domains
  nn::Linear mix_;       // the attention over earlier domains; of the newest task
};

LearnerRow classic_learner() {
  return learner_row<Classic>(
      {.paper = "Ke et al., EMNLP 2021",
       .about = "Adapters that domains divide by masks, one head, and contrasts with what earlier "
                "masks make of a sample.",
       .stores =
           "The adapters and norms, a head, a domain's masks, and the newest's attention over "
           "the earlier ones.",
       .differs = "The distilled contrasts are averaged over the earlier domains. Text "
                  "augmentation is left out.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .training = {.epochs = 10,
                    .batch_size = 32,
                    .optimizer = {.optimizer = "adam", .lr = 5e-5, .schedule = "constant"}}});
}

}  // namespace patina

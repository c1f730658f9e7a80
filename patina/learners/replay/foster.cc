// FOSTER: as in gradient boosting, a second network learns the residual of the first; then both are
// distilled into one. Wang et al., "FOSTER: Feature Boosting and Compression for Class-Incremental
// Learning", ECCV 2022.
#include <cmath>

#include "patina/learn/class_tasks.h"
#include "patina/learn/learner.h"
#include "patina/learners/replay/herded_memory.h"
#include "patina/learners/replay/teacher.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class Foster : public Learner {
 public:
  struct Options : LearnerOptions, HerdedMemoryOptions {
    int64_t compress_epochs = 20;
    double boost_beta = 0.96, compress_beta = 0.97, distill = 1, temperature = 2;
    std::string predict = "student";
    void bind(Fields& f) override {
      HerdedMemoryOptions::bind(f);
      f("compress_epochs", compress_epochs, "Epochs of the student, after those of training.",
        at_least(1));
      f("boost_beta", boost_beta,
        "Balance of classes in boosting, by the effective number of their samples (β₁).",
        {.low = 0, .high = 1, .high_open = true});
      f("compress_beta", compress_beta, "The same in compression (β₂).",
        {.low = 0, .high = 1, .high_open = true});
      f("distill", distill, "Weight of the old network's scores in boosting.", at_least(0));
      f("temperature", temperature, "Of both distillations.", above(0));
      f("predict", predict,
        "By the one compressed network, or by the boosted two of the newest task, as LAMDA-PILOT "
        "reports it.",
        {"student", "boosted"});
    }
  };

  Foster(Setup setup, const Options& options)
      : newest_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        memory_(options, setup.loader()) {
    nn::freeze(newest_, false);
  }

  void begin_task(const Task& task, Trainer&) override {
    tasks_.add(task);
    const auto classes = int64_t(task.seen.size());
    Random random = seeds_("head", uint64_t(task.index));
    if (task.index > 0) {
      // The student of the previous task, if any, becomes the old network, and the new one starts
      // as its copy.
      if (student_) {
        assign(nn::tensors(newest_), weights_of(*student_));
        head_ = std::exchange(student_head_, {});
        student_.reset();
      }
      old_.take(newest_, head_);
      head_.widen(2 * newest_.width());
      own_ = {};
      own_.grow(classes, newest_.width(), random, newest_.place());
    }
    head_.grow(classes, task.index > 0 ? 2 * newest_.width() : newest_.width(), random,
               newest_.place());
  }

  void fit(const Task& task, Trainer& trainer) override {
    weigh(task);
    if (!student_) {
      memory_.train_beside(*this, task, trainer);
      if (task.index == 0) return;
      student_ = old_.network().clone();
      nn::freeze(*student_, false);
      student_head_ = old_.head();
      Random random = seeds_("student", uint64_t(task.index));
      student_head_.grow(head_.classes(), newest_.width(), random, newest_.place());
    }
    memory_.train_beside(*this, task, trainer, options_.compress_epochs);
  }

  Tensor loss(const Batch& batch, const Step&) override {
    if (student_) return compression(batch);
    if (!old_) return nn::cross_entropy(head_(newest_.features(batch.input)), batch.target);
    return boosting(batch);
  }

  void end_task(const Task& task, Trainer& trainer) override {
    FeatureSet set = trainer.features(newest_, *task.train);
    if (old_)
      set.features =
          at::cat({trainer.features(old_.network(), *task.train).features, set.features}, 1);
    memory_.update(task, set);
  }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    if (!old_) return head_(newest_.features(asked.input));
    return options_.predict == "student" ? said(asked.input) : boosted(asked.input).scores;
  }

  std::vector<ParamGroup> trainable() override {
    if (student_) {
      ParamGroup group = trainable_group(*student_, student_head_);
      group.weight_decay_factor = 0;
      return {group};
    }
    if (!old_) return {trainable_group(newest_, head_)};
    return {trainable_group(newest_, head_, own_)};
  }

  void state(Archive& a) override {
    a("newest", newest_);
    a("head", head_);
    a("own", own_);
    old_.state(a, newest_, head_);
    bool compressed = student_ != nullptr;
    a("compressed", compressed);
    if (a.loading()) student_ = compressed ? newest_.clone() : nullptr;
    if (compressed) a("student", *student_);
    a("student_head", student_head_);
    a("memory", memory_);
    a("tasks", tasks_);
  }

 private:
  // CE(z / w(β₁), y) + CE(own(f_new), y) + λ KL_T(old(x) ‖ z_old): scores from both networks'
  // features, scores from the new network's alone, and distillation of the old ones.
  Tensor boosting(const Batch& batch) {
    const auto [old, own, scores] = boosted(batch.input);
    const double t = options_.temperature;
    const Tensor before = old_.head()(old), now = scores.slice(1, 0, tasks_.known());
    return nn::cross_entropy(scores / boost_weights_, batch.target) +
           nn::cross_entropy(own_(own), batch.target) +
           nn::distillation(now, before, t) * (options_.distill / (t * t));
  }

  // -mean_b Σ_c s_c log softmax(student / T)_c, s ∝ softmax(boosted / T) w(β₂).
  Tensor compression(const Batch& batch) {
    Tensor wanted;
    {
      NoGrad no_grad;
      wanted = at::softmax(boosted(batch.input).scores / options_.temperature, 1);
      wanted = wanted * compress_weights_;
      wanted = wanted / wanted.sum(1, /*keepdim=*/true);
    }
    return nn::soft_cross_entropy(said(batch.input) / options_.temperature, wanted);
  }

  struct Boosted {
    Tensor old, own, scores;  // features of each network [B,D], scores by both [B,K]
  };
  Boosted boosted(const Input& input) const {
    const Tensor old = old_.network().features(input), own = newest_.features(input);
    return {old, own, head_(at::cat({old, own}, 1))};
  }
  Tensor said(const Input& input) const { return student_head_(student_->features(input)); }

  // w_c = (1 - β) / (1 - β^n_c), scaled to mean one; n_c is the number of training samples of class
  // c.
  void weigh(const Task& task) {
    std::vector<int64_t> counts(task.seen.size());
    const Dataset samples = memory_.beside(task);
    for (const int64_t target : samples.targets()) ++counts[size_t(target)];
    const auto weights = [&](double beta) {
      const Tensor n = tensor_of(counts, newest_.place().device).to(at::kDouble).clamp_min(1);
      const Tensor w = (1 - beta) / (1 - at::exp(n * std::log(beta)));
      return (w / w.mean()).to(at::kFloat);
    };
    boost_weights_ = weights(options_.boost_beta);
    compress_weights_ = weights(options_.compress_beta);
  }

  Backbone& newest_;  // trained in place
  Seeds seeds_;
  Options options_;
  Teacher old_;                        // from the second task on
  nn::LinearHead head_, own_;          // on the features of both networks, and of the newest alone
  std::unique_ptr<Backbone> student_;  // from a task's compression to the next task
  nn::LinearHead student_head_;
  HerdedMemory memory_;
  ClassTasks tasks_;
  Tensor boost_weights_, compress_weights_;  // per class, [K], while a task is fitted
};

LearnerRow foster_learner() {
  return learner_row<Foster>(
      {.paper = "Wang et al., ECCV 2022",
       .about = "Boosts the network by a second one for every task, then distils both into one.",
       .stores = "The two networks and their heads, the one they were distilled into, the memory's "
                 "samples.",
       .differs = "Predicts by the distilled network; LAMDA-PILOT reports the boosted two: "
                  "`predict = \"boosted\"`. Its rate and epochs for pre-trained networks are the "
                  "defaults.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {
           .epochs = 20, .batch_size = 32, .optimizer = {.lr = 1e-3, .weight_decay = 5e-4}}});
}

}  // namespace patina

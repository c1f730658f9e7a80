// Continual Prompt Tuning: every task has a prompt of its own before a frozen network. A new prompt
// begins as the earlier one that serves the task best and also learns the memory of earlier tasks;
// then earlier prompts learn the new task's samples, along no gradient against their own memory.
// Zhu et al., "Continual Prompt Tuning for Dialog State Tracking", ACL 2022.
#include <limits>

#include "patina/adapt/per_sample.h"
#include "patina/config/sizes.h"
#include "patina/learn/learner.h"
#include "patina/learn/own_heads.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/memory/sample_memory.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/optim/gradients.h"

namespace patina {

class ContinualPromptTuning : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t length = 100;
    int64_t memory_per_task = 50;
    int64_t replay_batch = 8;
    int64_t backward_epochs = 5;
    double head_lr_factor = 0.01;
    void bind(Fields& f) override {
      f("length", length, "Tokens of each task's prompt.", sized(1));
      f("memory_per_task", memory_per_task, "Samples of each task that are kept.", at_least(1));
      f("replay_batch", replay_batch, "Samples of the memory in a step.", at_least(1));
      f("backward_epochs", backward_epochs,
        "Epochs for which an earlier prompt learns a new task's samples; 0: it stays.",
        at_least(0));
      f("head_lr_factor", head_lr_factor, "Learning rate of the head over the prompt's.", above(0));
    }
  };

  ContinualPromptTuning(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        samples_(setup.loader()),
        options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    const Tensor best = best_prompt(task, trainer);
    Random random = seeds_("prompt", uint64_t(task.index));
    Tensor rows = at::empty({options_.length, backbone_.block().width});
    constexpr double kSmall = 0.02;
    nn::init_normal(rows, random, 0, kSmall);
    prompts_.push_back(best.defined() ? best.clone() : on(backbone_.place().device, rows));
    heads_.freeze();
    Random drawn = seeds_("head", uint64_t(task.index));
    heads_.add(int64_t(task.fresh.size()), backbone_.width(), drawn, backbone_.place());
    learning_ = task.index;
    for (auto& prompt : prompts_) prompt.requires_grad_(false);
    prompts_.back().requires_grad_(true);
  }

  // The new prompt first, then each earlier one; a stopped run goes on with the one it was in.
  void fit(const Task& task, Trainer& trainer) override {
    if (learning_ == task.index) {
      trainer.epochs(*this, task);
      begin_backward(0, trainer);
    }
    while (learning_ < task.index && options_.backward_epochs > 0) {
      trainer.epochs(*this, task, options_.backward_epochs);
      // What helps the memory of its own task stays.
      NoGrad no_grad;
      if (memory_loss(learning_, trainer) > before_loss_)
        prompts_[size_t(learning_)].copy_(before_);
      begin_backward(learning_ + 1, trainer);
    }
  }

  // L of the task's samples and, while a new prompt learns, of remembered ones of earlier tasks.
  Tensor loss(const Batch& batch, const Step& step) override {
    const size_t newest = heads_.tasks() - 1;
    Tensor fresh = loss_of(batch, newest, size_t(learning_));
    if (learning_ < int64_t(newest) || memory_.empty()) return fresh;
    Random random = seeds_("replay", step.number());
    const auto task = size_t(random.below(memory_.size()));
    return fresh + loss_of(remembered(task, random), task, newest);
  }

  // An earlier prompt's gradient loses what is against its own memory's (A-GEM).
  void after_backward(const Step& step) override {
    if (learning_ + 1 == int64_t(heads_.tasks())) return;
    const auto own = size_t(learning_);
    const std::vector<Tensor> weights = {prompts_[own]};
    Random random = seeds_("backward", step.number());
    const Tensor past = gradients_of(loss_of(remembered(own, random), own, own), weights);
    set_gradients(weights, project_agem(flat_gradients(weights), past));
  }

  void end_task(const Task& task, Trainer&) override {
    SampleHandles kept;
    for (const size_t i : drawn(size_t(options_.memory_per_task), size_t(task.train->size()),
                                seeds_("memory", uint64_t(task.index))))
      kept.add(task.train->handle(int64_t(i)));
    memory_.push_back(kept);
  }

  // Of the known task's classes; -inf for all others.
  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return own_scores(asked, heads_,
                      [this](size_t task, const Input& input) { return features(input, task); });
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup head = trainable_group(heads_.newest());
    head.lr_factor = options_.head_lr_factor;
    const bool backward = learning_ + 1 < int64_t(heads_.tasks());
    if (backward) head.tensors.clear();
    return {{{prompts_[size_t(learning_)]}}, head};
  }

  void state(Archive& a) override {
    a("prompts", prompts_);
    a("heads", heads_);
    a("learning", learning_);
    a("before", before_);
    a("before_loss", before_loss_);
    int64_t count = int64_t(memory_.size());
    a("memories", count);
    memory_.resize(size_t(count));
    for (size_t t = 0; t < memory_.size(); ++t) a(fmt::format("memory_{}", t), memory_[t]);
  }

 private:
  Tensor features(const Input& input, size_t prompt) const {
    adapt::SamplePrompt rows(prompts_[prompt].unsqueeze(0).expand({input.size(), -1, -1}));
    return backbone_.features(input, {&rows});
  }

  // Cross-entropy of samples of `task` among its classes, under a prompt.
  Tensor loss_of(const Batch& batch, size_t task, size_t prompt) const {
    const auto sizes = heads_.sizes();
    int64_t first = 0;
    for (size_t t = 0; t < task; ++t) first += sizes[t];
    return nn::cross_entropy(heads_.of_task(task, features(batch.input, prompt)),
                             batch.target - first);
  }

  Batch remembered(size_t task, const Random& random) const {
    const auto some =
        drawn(size_t(options_.replay_batch), size_t(memory_[task].size()), random.at(1));
    return samples_(memory_[task].at(some), random.at(2));
  }

  double memory_loss(int64_t task, Trainer& trainer) const {
    double sum = 0;
    const Dataset own = samples_.dataset(memory_[size_t(task)]);
    trainer.each_batch(own, "memory", [&](const Batch& batch) {
      sum += loss_of(batch, size_t(task), size_t(task)).item<double>() * double(batch.size());
    });
    return sum / double(own.size());
  }

  // From here on an earlier prompt learns, if one is left.
  void begin_backward(int64_t task, Trainer& trainer) {
    heads_.freeze();
    for (auto& prompt : prompts_) prompt.requires_grad_(false);
    learning_ = task;
    if (task + 1 >= int64_t(heads_.tasks()) || options_.backward_epochs == 0) return;
    before_ = prompts_[size_t(task)].detach().clone();
    before_loss_ = memory_loss(task, trainer);
    prompts_[size_t(task)].requires_grad_(true);
  }

  // The earlier prompt under which classes of the new task lie furthest apart, by the likelihood of
  // a nearest mean; undefined: there is none.
  Tensor best_prompt(const Task& task, Trainer& trainer) const {
    NoGrad no_grad;
    Tensor best;
    double least = std::numeric_limits<double>::infinity();
    for (size_t p = 0; p < prompts_.size(); ++p) {
      std::vector<Tensor> all, targets;
      trainer.each_batch(*task.train, "prompts", [&](const Batch& batch) {
        all.push_back(features(batch.input, p));
        targets.push_back(batch.target - task.known());
      });
      const Tensor f = at::cat(all), target = at::cat(targets);
      const Tensor members = at::one_hot(target, int64_t(task.fresh.size())).to(f.scalar_type());
      const Tensor means = at::matmul(members.t(), f) / members.sum(0).clamp_min(1).unsqueeze(1);
      const Tensor distance = means.square().sum(1).unsqueeze(0) - at::matmul(f, means.t()) * 2;
      const double loss = nn::cross_entropy(-distance, target).item<double>();
      if (loss < least) least = loss, best = prompts_[p].detach();
    }
    return best;
  }

  Backbone& backbone_;
  Seeds seeds_;
  const SampleLoader& samples_;
  Options options_;
  std::vector<Tensor> prompts_;  // by task, [length,D]
  nn::TaskHeads heads_;
  std::vector<SampleHandles> memory_;  // by task
  int64_t learning_ = 0;               // the prompt that is trained
  Tensor before_;                      // an earlier prompt before the new task's samples
  double before_loss_ = 0;             // the loss on its own memory then
};

LearnerRow continual_prompt_tuning_learner() {
  return learner_row<ContinualPromptTuning>(
      {.paper = "Zhu et al., ACL 2022",
       .about =
           "A prompt for every task, which begins as an earlier one, replays, and improves the "
           "earlier ones where their memories allow.",
       .stores = "A prompt and a head a task, and the memory's samples.",
       .differs = "Classes have heads instead of a slot's generated value, and there is no query "
                  "of slots to fuse. The earlier prompt to begin with is chosen by the likelihood "
                  "of the nearest class mean.",
       .needs = {.task_id_at_train = true,
                 .task_id_at_test = true,
                 .boundaries = true,
                 .many_passes = true,
                 .new_classes = true},
       .keeps_samples = true,
       .training = {.epochs = 20,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 0.5, .schedule = "constant"}}});
}

}  // namespace patina

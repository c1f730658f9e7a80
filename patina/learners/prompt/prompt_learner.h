// Base of the methods that adapt a frozen network by prompts.
#pragma once

#include <vector>

#include "patina/learn/adapted.h"
#include "patina/learn/learner.h"
#include "patina/learn/usage.h"
#include "patina/learners/prompt/key_query.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/nn/heads.h"

namespace patina {

/// Initialises prompts or keys from U(0, 0.01), as the authors of L2P and DualPrompt do; or, if
/// `wide`, from U(-1, 1), as the PyTorch port and LAMDA-PILOT do.
void draw_prompts(Tensor& prompts, Random& random, bool wide);

/// Prompts of some kind and one linear head per task. A task trains its own head and the tensors
/// that `prompts` returns, with cross-entropy among its own classes (in papers: earlier classes'
/// scores set to minus infinity). At test time the heads' scores are concatenated.
class PromptLearner : public Learner {
 public:
  /// How a new head is initialised: by the library's default, or with zeros.
  enum class Heads { drawn, zero };
  /// The heads read features of width `width`.
  PromptLearner(Setup setup, int64_t width, Heads begin = Heads::drawn);

  void begin_task(const Task& task, Trainer& trainer) final;
  Tensor loss(const Batch& batch, const Step& step) final;
  Tensor scores(const Question& asked) const override;
  std::vector<ParamGroup> trainable() final;
  void state(Archive& a) override;
  Usage* usage() final { return &usage_; }
  Json diagnostics() const final;

 protected:
  struct Prompted {
    Tensor features;  // [B,width]: what the heads read
    Tensor penalty;   // scalar, added to the cross-entropy; undefined: nothing
  };
  /// A pass through the prompted network; `training`: on a batch of the newest task.
  virtual Prompted prompted(const Input& input, bool training) const = 0;
  /// Creates the task's prompts.
  virtual void add_prompts(const Task&) {}
  /// All trainable tensors except the heads; those that require gradients are trained.
  virtual std::vector<Tensor> prompts() = 0;

  const Backbone& backbone() const { return backbone_; }
  /// The pre-trained network's features of each sample: [B,D].
  Tensor query(const Input& input) const { return backbone_.features(input); }
  const Seeds& seeds() const { return seeds_; }
  const nn::TaskHeads& heads() const { return heads_; }

  mutable Usage usage_;  // choices in evaluations since the newest task began

 private:
  Backbone& backbone_;
  Seeds seeds_;
  int64_t width_;
  Heads begin_;
  nn::TaskHeads heads_;
};

}  // namespace patina

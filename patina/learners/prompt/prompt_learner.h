// What methods that steer a frozen network by prompts have in common.
#pragma once

#include <vector>

#include "patina/learn/adapted.h"
#include "patina/learn/learner.h"
#include "patina/learners/prompt/key_query.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/nn/heads.h"

namespace patina {

/// Fills prompts or keys as the authors of L2P and DualPrompt do, from U(0, 0.01); or, `wide`, as
/// the PyTorch port and LAMDA-PILOT do, from U(-1, 1).
void draw_prompts(Tensor& prompts, Random& random, bool wide);

/// Prompts of some kind and a linear head for each task. A task trains its own head and what
/// `prompts` names, with cross-entropy among its own classes, which is what papers write as scores
/// of minus infinity for all earlier ones. At test all heads' scores stand side by side.
class PromptLearner : public Learner {
 public:
  /// Where a fresh head begins: at the library's usual draw, or at zero.
  enum class Heads { drawn, zero };
  /// The heads read features of `width`.
  PromptLearner(Setup setup, int64_t width, Heads begin = Heads::drawn);

  void begin_task(const Task& task, Trainer& trainer) final;
  Tensor loss(const Batch& batch, const Step& step) final;
  Tensor scores(const Question& asked) const override;
  std::vector<ParamGroup> trainable() final;
  void state(Archive& a) override;
  Json diagnostics() const final;

 protected:
  struct Prompted {
    Tensor features;  // [B,width]: what the heads read
    Tensor penalty;   // scalar, added to the cross-entropy; undefined: nothing
  };
  /// A pass through the prompted network; `training` on a batch of the newest task.
  virtual Prompted prompted(const Input& input, bool training) const = 0;
  /// Makes what the task adds.
  virtual void add_prompts(const Task&) {}
  /// All tensors but the heads' that may train; those that take gradients do.
  virtual std::vector<Tensor> prompts() = 0;

  const Backbone& backbone() const { return backbone_; }
  /// The pre-trained network's feature of each sample: [B,D].
  Tensor query(const Input& input) const { return backbone_.features(input); }
  const Seeds& seeds() const { return seeds_; }
  const nn::TaskHeads& heads() const { return heads_; }

  mutable Usage usage_;  // what was chosen in the evaluation since the newest task began

 private:
  Backbone& backbone_;
  Seeds seeds_;
  int64_t width_;
  Heads begin_;
  nn::TaskHeads heads_;
};

}  // namespace patina

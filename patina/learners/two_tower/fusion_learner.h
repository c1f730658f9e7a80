// Base of methods that answer a question about an image with a class: two frozen towers, whose
// fused features a head of two layers reads. A method adds its measures against forgetting.
#pragma once

#include <vector>

#include "patina/learn/learner.h"
#include "patina/learners/replay/replay_learner.h"
#include "patina/nn/heads.h"

namespace patina {

/// Networks whose samples are questions about images.
extern const Network kQuestions;

struct FusionOptions {
  int64_t hidden = 1000;
  void bind(Fields& f);
};

/// s = W₂ relu(W₁ x + b₁) + b₂, with x the fused features (models/two_tower/fused_towers.h) and
/// what a method reads beside them. Trained by the cross-entropy over all classes seen.
class FusionLearner : public Learner {
 public:
  /// `beside`: how many numbers the head reads beside the features.
  FusionLearner(Setup setup, const FusionOptions& options, int64_t beside = 0);

  void begin_classes(int64_t fresh) override;
  Tensor loss(const Batch& batch, const Step& step) override;
  Tensor scores(const Question& asked) const override;
  bool answers_untrained() const override { return true; }
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;

 protected:
  /// What the head reads, from fused features [B,D]: [B,D + beside].
  virtual Tensor read(const Tensor& features) const { return features; }
  Tensor outputs(const Tensor& features) const;  // [B,K]
  Tensor features(const Input& input) const { return backbone_.features(input); }

  Backbone& backbone() const { return backbone_; }
  const Seeds& seeds() const { return seeds_; }

 private:
  Backbone& backbone_;
  Seeds seeds_;
  nn::Linear hidden_;
  nn::LinearHead head_;
};

/// With a memory of earlier questions, of which each step learns some beside its batch.
class FusionReplayLearner : public FusionLearner {
 public:
  FusionReplayLearner(Setup setup, const FusionOptions& fusion, const ReplayOptions& replay,
                      int64_t beside = 0);

  /// The mean over the batch and the samples of the memory.
  Tensor loss(const Batch& batch, const Step& step) override;
  void remember(const Batch& batch) override;
  void state(Archive& a) override;

 protected:
  /// Called before a loss, with the features and targets of what it learns; `slots` are those of
  /// the memory's samples, the last ones.
  virtual void about_to_learn(const Tensor& /*features*/, const Tensor& /*targets*/,
                              const std::vector<size_t>& /*slots*/) {}
  /// Called when a sample was stored.
  virtual void stored(size_t /*slot*/) {}

 private:
  ReplayOptions options_;
  const SampleLoader& samples_;
  SampleMemory memory_;
};

}  // namespace patina

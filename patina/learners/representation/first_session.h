// First-session adaptation: the network is adapted to the first task and then frozen; everything
// after that is closed form on its features. Zhou et al., "Revisiting class-incremental learning
// with pre-trained models", IJCV 2024 (APER, formerly ADAM); also the first step of RanPAC and,
// where it is asked for, of FeCAM.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/learn/adapted.h"
#include "patina/learn/learner.h"
#include "patina/nn/heads.h"

namespace patina {

/// Defaults: APER's adapter.
struct FirstSessionOptions {
  std::string adaptation = "adapter";
  adapt::AdapterOptions adapter;
  adapt::PromptOptions prompt;
  adapt::ScaleShiftOptions ssf;

  void bind(Fields& f);
};

/// Base for methods that train an adaptation and a cosine head on the first task by cross-entropy,
/// drop the head, and learn every task, including the first, from frozen features.
class FirstSessionLearner : public Learner {
 public:
  FirstSessionLearner(Setup setup, const FirstSessionOptions& options);

  void begin_task(const Task& task, Trainer& trainer) final;
  Tensor loss(const Batch& batch, const Step& step) final;
  std::vector<ParamGroup> trainable() final;
  void fit(const Task& task, Trainer& trainer) final;
  void state(Archive& a) override;

 protected:
  /// Learns a task from features of the current network.
  virtual void learn(const Task& task, Trainer& trainer) = 0;

  /// Whether there is an adapted network beside the pre-trained one.
  bool adapts() const { return options_.adaptation != "none"; }
  /// Refuses to merge networks that were adapted to different first tasks. Throws Error(usage).
  void check_unadapted() const;
  /// Features of the pre-trained and of the adapted network; equal without adaptation.
  Tensor pretrained(const Input& input) const { return backbone_.features(input); }
  Tensor adapted(const Input& input) const;
  FeatureSet pretrained(const Dataset& data, Trainer& trainer) const;
  FeatureSet adapted(const Dataset& data, Trainer& trainer) const;

  const Backbone& backbone() const { return backbone_; }
  const Seeds& seeds() const { return seeds_; }

 private:
  const Backbone& network() const { return tuned_ ? *tuned_ : backbone_; }
  nn::Adaptations adaptations() const;

  Backbone& backbone_;
  Seeds seeds_;
  FirstSessionOptions options_;
  std::unique_ptr<nn::Adaptation> adaptation_;  // null: none, or the whole network is fine-tuned
  std::unique_ptr<Backbone> tuned_;             // "finetune": the copy that is trained
  nn::CosineHead head_;                         // while the first task is trained
  bool training_ = false;
};

}  // namespace patina

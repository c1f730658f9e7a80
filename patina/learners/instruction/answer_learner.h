// Base for methods that teach a decoder to answer: the loss over the tokens of answers, and what of
// the network learns.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/adapt/lora.h"
#include "patina/learn/learner.h"
#include "patina/learners/instruction/answer_loss.h"

namespace patina {

/// What of the network learns.
struct TuneOptions {
  std::string tune = "lora";
  adapt::LoraOptions lora{.rank = 8, .alpha = 16, .parts = "qkv", .mlp = true};

  void bind(Fields& f);
};

/// And by which loss.
struct AnswerLearnerOptions : TuneOptions {
  AnswerLossOptions loss;

  void bind(Fields& f);
};

class AnswerLearner : public Generator {
 public:
  AnswerLearner(Setup setup, const TuneOptions& options, const AnswerLossOptions& loss = {});
  AnswerLearner(Setup setup, const AnswerLearnerOptions& options)
      : AnswerLearner(setup, options, options.loss) {}

  /// The weighted sum of -log p over the tokens that carry loss, divided by the number of these in
  /// the whole batch: however a batch is divided into parts or packed into rows, their sum is the
  /// same.
  Tensor loss(const Batch& batch, const Step& step) override;
  nn::Adaptations adaptations(const Input& input) const override;
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;
  std::optional<AsNetwork> as_network() const override;

 protected:
  /// With which the network learns an input: by default as it answers.
  virtual nn::Adaptations while_learning(const Input& input) const { return adaptations(input); }
  Backbone& backbone() const { return backbone_; }
  const Seeds& seeds() const { return seeds_; }
  /// Null if the whole network learns.
  adapt::Lora* lora() const { return lora_.get(); }
  /// What learns.
  std::vector<nn::NamedTensor> learned() const;
  /// Scores of the tokens of an input that carry loss, as it learns.
  AnswerScores answers(const Input& input) const;
  /// The loss of such tokens as a sum over them, from their scores.
  Tensor sum_of_losses(const Input& input, const AnswerScores& answers) const;

 private:
  Backbone& backbone_;  // trained in place if there is no LoRA
  Seeds seeds_;
  AnswerLossOptions loss_;
  std::unique_ptr<adapt::Lora> lora_;
  std::unique_ptr<Backbone>
      base_;  // before learning, if all of the network learns and asft asks it
};

}  // namespace patina

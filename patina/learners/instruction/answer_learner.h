// Base for methods that teach a decoder to answer: the loss over the tokens of answers, and what of
// the network learns.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/adapt/lora.h"
#include "patina/learn/learner.h"

namespace patina {

/// What of the network learns.
struct TuneOptions {
  std::string tune = "lora";
  adapt::LoraOptions lora{.rank = 8, .alpha = 16, .parts = "qkv", .mlp = true};

  void bind(Fields& f);
};

class AnswerLearner : public Generator {
 public:
  AnswerLearner(Setup setup, const TuneOptions& options);

  /// The sum of -log p over the tokens that carry loss, divided by the number of these in the whole
  /// batch: however a batch is divided into parts or packed into rows, their sum is the same.
  Tensor loss(const Batch& batch, const Step& step) override;
  nn::Adaptations adaptations(const Input& input) const override;
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;
  std::optional<AsNetwork> as_network() const override;

 protected:
  Backbone& backbone() const { return backbone_; }
  const Seeds& seeds() const { return seeds_; }
  /// Null if the whole network learns.
  adapt::Lora* lora() const { return lora_.get(); }

 private:
  Backbone& backbone_;  // trained in place if there is no LoRA
  Seeds seeds_;
  std::unique_ptr<adapt::Lora> lora_;
};

}  // namespace patina

// Language models of published shapes with random weights, and what is timed of them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "patina/adapt/lora.h"
#include "patina/models/text/language_model.h"
#include "patina/optim/optimizer.h"

namespace patina::bench {

/// SmolLM2-135M (Hugging Face, 2024); quick: two narrow blocks of it.
LanguageShape decoder_shape(bool quick);

/// How the layers' weights and the token embedding are held: as floats, in bf16, or in ggml's
/// blocks of four bits.
enum class Form { fp32, bf16, q4_1 };

/// Frozen. There are never floats of more than one weight that is held in another form.
std::unique_ptr<LanguageModel> random_model(const LanguageShape& shape, Form form = Form::fp32);

Tensor random_ids(int64_t rows, int64_t tokens, int64_t vocabulary, uint64_t seed = 0);

/// Random texts whose tokens carry loss, but for the first of each.
Input learned_texts(int64_t rows, int64_t tokens, int64_t vocabulary);

/// Forward, the loss over all tokens but the first, backward, AdamW: a LoRA of rank 8 on queries
/// and values, as PEFT's default for this family.
class LoraStep {
 public:
  LoraStep(LanguageModel& model, Input texts);
  /// With the model's engine.
  void operator()();

 private:
  LanguageModel& model_;
  Input texts_;
  std::unique_ptr<adapt::Lora> lora_;
  std::optional<Optimizer> optimizer_;
};

}  // namespace patina::bench

// Model families: each opens a checkpoint by its config, its names and its weights.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/checkpoint/safetensors.h"
#include "patina/models/backbone.h"
#include "patina/models/config_json.h"

namespace patina {

/// What a model is opened from.
struct Checkpoint {
  SafetensorsFile weights;
  std::optional<ConfigJson> config;  // absent: the shape is read from the tensors
  std::string origin;

  /// True when the weights have the tensor, or a shard that is not here would.
  bool has(const std::string& name) const {
    return weights.has(name) || weights.absent().count(name) > 0;
  }
  /// Rows of a stored matrix: the classes of a head. 0 when it is not there.
  int64_t rows(const std::string& name) const;
};

/// One row: config.json's model_type, and what opens such a checkpoint with frozen weights.
struct Family {
  const char* model_type;
  std::unique_ptr<Backbone> (*open)(Checkpoint& checkpoint);
};
const std::vector<Family>& families();

std::unique_ptr<Backbone> open_bert(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_roberta(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_distilbert(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_gpt2(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_llama(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_qwen2(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_t5(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_clip(Checkpoint& checkpoint);
/// OpenAI's own names; the shape is read from the tensors, the heads from the file's metadata
/// (vision_heads, text_heads) or one per 64 channels, as OpenAI has it.
std::unique_ptr<Backbone> open_openai_clip(Checkpoint& checkpoint);

/// Throws Error(model) unless the heads divide what they share.
void check_block(const nn::BlockShape& shape, const std::string& origin);
/// Throws Error(model) when a network of `weights` numbers cannot be what a file of so few holds:
/// its memory must not be asked for.
void check_size(const Checkpoint& checkpoint, double weights);
/// Numbers in `depth` blocks of a shape.
double block_weights(const nn::BlockShape& shape, int64_t depth);

}  // namespace patina

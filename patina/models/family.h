// Model families: each opens a checkpoint by its config, tensor names and weights.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "patina/checkpoint/load.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/models/backbone.h"
#include "patina/models/config_json.h"
#include "patina/models/text/sentence.h"

namespace patina {

/// What a model is opened from.
struct Checkpoint {
  SafetensorsFile weights;
  std::optional<ConfigJson> config;              // absent: the shape is derived from the tensors
  std::optional<SentencePooling> sentence = {};  // of a sentence encoder
  std::optional<ConfigJson> preprocessor = {};   // preprocessor_config.json
  std::string normalize = {};                    // of pixels, as asked for; "": the model's own
  Held held = Held::fp32;                        // how layers hold their weights
  std::string origin;

  /// Whether the weights have the tensor, or a missing shard has it.
  bool has(const std::string& name) const {
    return weights.has(name) || weights.absent().count(name) > 0;
  }
  /// Number of rows of a stored matrix, such as a head's classes; 0 if it does not exist.
  int64_t rows(const std::string& name) const;
};

/// A value of config.json's model_type, and how to open such a checkpoint with frozen weights.
struct Family {
  const char* model_type;
  std::unique_ptr<Backbone> (*open)(Checkpoint& checkpoint);
};
const std::vector<Family>& families();
/// Why patina does not have a family of images that people use; "" for others.
std::string why_not(const std::string& model_type);

std::unique_ptr<Backbone> open_bert(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_roberta(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_distilbert(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_mpnet(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_modernbert(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_deberta(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_gpt2(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_llama(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_mistral(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_qwen2(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_qwen3(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_phi3(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_gemma2(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_gemma3(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_t5(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_bart(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_clip(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_siglip(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_llava(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_hf_vit(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_deit(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_dinov2(Checkpoint& checkpoint);
std::unique_ptr<Backbone> open_dinov3(Checkpoint& checkpoint);
/// OpenCLIP's files: the shape is in open_clip_config.json, which is the checkpoint's config.
std::unique_ptr<Backbone> open_open_clip(Checkpoint& checkpoint);
/// OpenAI's tensor names; the shape is derived from the tensors, the heads from the file's metadata
/// (vision_heads, text_heads) or one per 64 channels, as in OpenAI's code.
std::unique_ptr<Backbone> open_openai_clip(Checkpoint& checkpoint);

/// Whether the file has another word head than its token embedding. config.json may call such a
/// head tied all the same (`tie_word_embeddings`); then the file's head is the one to use, and a
/// warning says so.
bool has_own_head(const Checkpoint& checkpoint, const std::string& head,
                  const std::string& embedding);

/// Throws Error(model) unless the heads divide the width and the key heads the heads.
void check_block(const nn::BlockShape& shape, const std::string& origin);
/// Throws Error(model) if the file is too small for a network of `weights` numbers, so that no
/// memory is allocated for it.
void check_size(const Checkpoint& checkpoint, double weights);
/// Throws Error(recipe) unless some weights of a network are held as `held` asks for.
void check_held(const Backbone& network, Held held, const std::string& origin);
/// Number of weights in `depth` blocks of a shape.
double block_weights(const nn::BlockShape& shape, int64_t depth);

}  // namespace patina

// LLaMA (Touvron et al., 2023), Mistral (Jiang et al., 2023), Qwen2 (Yang et al., 2024), Qwen3
// (Yang et al., 2025) and Phi-3 (Abdin et al., 2024): pre-norm decoders with RMSNorm, rotary
// positions, grouped keys and a gated MLP.
#include <array>

#include "patina/models/text/decoder_config.h"

namespace patina {

namespace {

void read_rotary_of(ConfigJson& config, LanguageShape& shape) {
  RotaryBasis basis = rotary_basis(shape);
  shape.text.block.rotary = read_rotary(config, basis);
  shape.text.longest = basis.longest;
}

// Qwen's window: switched on by a flag of its own, and only from a certain block on.
void read_qwen_windows(ConfigJson& config, TextShape& text) {
  const int64_t window =
      config.says_null("sliding_window") ? 0 : config.size("sliding_window", 4096);
  const int64_t first = config.count("max_window_layers", 28);
  const bool used = config.flag("use_sliding_window", false);
  read_windows(config, text, used ? window : 0, [&](int64_t layer) { return layer >= first; });
}

}  // namespace

std::unique_ptr<Backbone> open_llama(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = decoder_shape(checkpoint, "llama", {});
  shape.text.block.qkv_bias = shape.text.block.proj_bias = config.flag("attention_bias", false);
  shape.text.block.mlp_bias = config.flag("mlp_bias", false);
  read_rotary_of(config, shape);
  config.all_must_be("layer_types", "full_attention");
  config.skip({"pretraining_tp"});
  config.finish();
  return open_language_model(checkpoint, shape, decoder_names(), decoder_keys());
}

std::unique_ptr<Backbone> open_mistral(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = decoder_shape(checkpoint, "mistral", {.key_heads = 8, .longest = 131072});
  read_rotary_of(config, shape);
  read_common_window(config, shape.text, "sliding_window", 4096);
  config.finish();
  return open_language_model(checkpoint, shape, decoder_names(), decoder_keys());
}

std::unique_ptr<Backbone> open_qwen2(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape =
      decoder_shape(checkpoint, "qwen2", {.vocabulary = 151936, .longest = 32768});
  shape.text.block.qkv_bias = true;
  read_rotary_of(config, shape);
  read_qwen_windows(config, shape.text);
  config.must_be("use_mrope", false);
  config.finish();
  return open_language_model(checkpoint, shape, decoder_names(), decoder_keys());
}

std::unique_ptr<Backbone> open_qwen3(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape =
      decoder_shape(checkpoint, "qwen3",
                    {.key_heads = 32, .head_size = 128, .vocabulary = 151936, .longest = 32768});
  shape.text.block.head_norm = true;
  shape.text.block.qkv_bias = shape.text.block.proj_bias = config.flag("attention_bias", false);
  read_rotary_of(config, shape);
  read_qwen_windows(config, shape.text);
  config.finish();
  return open_language_model(checkpoint, shape, decoder_names(), decoder_keys());
}

std::unique_ptr<Backbone> open_phi3(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = decoder_shape(
      checkpoint, "phi3", {.width = 3072, .vocabulary = 32064, .longest = 4096, .eps = 1e-5});
  static constexpr std::array<const char*, 3> kScalings = {"default", "longrope", "su"};
  RotaryBasis basis = rotary_basis(shape);
  basis.partial = true;
  basis.scalings = kScalings;
  basis.original = config.size("original_max_position_embeddings", 4096);
  shape.text.block.rotary = read_rotary(config, basis);
  read_common_window(config, shape.text, "sliding_window", 0);
  config.must_be("full_attn_mod", 1);
  config.must_be("interpolate_factor", 1);
  config.skip({"resid_pdrop", "embd_pdrop"});
  config.finish();
  NameTable names = decoder_names();
  for (NameRule& rule : names.rules) {
    if (rule.ours == "text.blocks.{}.attn.qkv") rule.theirs = {"@layers.{}.self_attn.qkv_proj"};
    if (rule.ours == "text.blocks.{}.mlp.fc1") rule.theirs = {"@layers.{}.mlp.gate_up_proj"};
  }
  // transformers takes the number of its scaling's factors from the width and the heads alone.
  ShapeKeys keys = decoder_keys();
  keys.head_size = "";
  return open_language_model(checkpoint, shape, names, std::move(keys));
}

}  // namespace patina

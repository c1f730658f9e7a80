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

// Where a config has no intermediate_size, as those of networks that contain a decoder often have
// none, it is transformers' for the family.

DecoderForm read_llama(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  DecoderForm form{decoder_shape(checkpoint, "llama", {.hidden = 11008})};
  nn::BlockShape& block = form.shape.text.block;
  block.qkv_bias = block.proj_bias = config.flag("attention_bias", false);
  block.mlp_bias = config.flag("mlp_bias", false);
  read_rotary_of(config, form.shape);
  config.all_must_be("layer_types", "full_attention");
  config.skip({"pretraining_tp"});
  config.finish();
  return form;
}

DecoderForm read_mistral(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  DecoderForm form{
      decoder_shape(checkpoint, "mistral", {.key_heads = 8, .hidden = 14336, .longest = 131072})};
  read_rotary_of(config, form.shape);
  read_common_window(config, form.shape.text, "sliding_window", 4096);
  config.finish();
  return form;
}

DecoderForm read_qwen2(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  DecoderForm form{decoder_shape(checkpoint, "qwen2",
                                 {.hidden = 22016, .vocabulary = 151936, .longest = 32768})};
  form.shape.text.block.qkv_bias = true;
  read_rotary_of(config, form.shape);
  read_qwen_windows(config, form.shape.text);
  config.must_be("use_mrope", false);
  config.finish();
  return form;
}

DecoderForm read_qwen3(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  DecoderForm form{decoder_shape(checkpoint, "qwen3",
                                 {.key_heads = 32,
                                  .head_size = 128,
                                  .hidden = 22016,
                                  .vocabulary = 151936,
                                  .longest = 32768})};
  nn::BlockShape& block = form.shape.text.block;
  block.head_norm = true;
  block.qkv_bias = block.proj_bias = config.flag("attention_bias", false);
  read_rotary_of(config, form.shape);
  read_qwen_windows(config, form.shape.text);
  config.finish();
  return form;
}

DecoderForm read_phi3(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  DecoderForm form{decoder_shape(
      checkpoint, "phi3",
      {.width = 3072, .hidden = 8192, .vocabulary = 32064, .longest = 4096, .eps = 1e-5})};
  static constexpr std::array<const char*, 3> kScalings = {"default", "longrope", "su"};
  RotaryBasis basis = rotary_basis(form.shape);
  basis.partial = true;
  basis.scalings = kScalings;
  basis.original = config.size("original_max_position_embeddings", 4096);
  form.shape.text.block.rotary = read_rotary(config, basis);
  read_common_window(config, form.shape.text, "sliding_window", 0);
  config.must_be("full_attn_mod", 1);
  config.must_be("interpolate_factor", 1);
  config.skip({"resid_pdrop", "embd_pdrop"});
  config.finish();
  for (NameRule& rule : form.names.rules) {
    if (rule.ours == "text.blocks.{}.attn.qkv") rule.theirs = {"@layers.{}.self_attn.qkv_proj"};
    if (rule.ours == "text.blocks.{}.mlp.fc1") rule.theirs = {"@layers.{}.mlp.gate_up_proj"};
  }
  // transformers takes the number of its scaling's factors from the width and the heads alone.
  form.keys.head_size = "";
  return form;
}

std::unique_ptr<Backbone> open_decoder(Checkpoint& checkpoint, DecoderForm form) {
  return open_language_model(checkpoint, std::move(form.shape), std::move(form.names),
                             std::move(form.keys));
}

}  // namespace

const std::vector<DecoderFamily>& decoder_families() {
  static const std::vector<DecoderFamily> all = {{"llama", read_llama},
                                                 {"mistral", read_mistral},
                                                 {"qwen2", read_qwen2},
                                                 {"qwen3", read_qwen3},
                                                 {"phi3", read_phi3}};
  return all;
}

std::unique_ptr<Backbone> open_llama(Checkpoint& checkpoint) {
  return open_decoder(checkpoint, read_llama(checkpoint));
}
std::unique_ptr<Backbone> open_mistral(Checkpoint& checkpoint) {
  return open_decoder(checkpoint, read_mistral(checkpoint));
}
std::unique_ptr<Backbone> open_qwen2(Checkpoint& checkpoint) {
  return open_decoder(checkpoint, read_qwen2(checkpoint));
}
std::unique_ptr<Backbone> open_qwen3(Checkpoint& checkpoint) {
  return open_decoder(checkpoint, read_qwen3(checkpoint));
}
std::unique_ptr<Backbone> open_phi3(Checkpoint& checkpoint) {
  return open_decoder(checkpoint, read_phi3(checkpoint));
}

}  // namespace patina

#include "patina/models/text/decoder_config.h"

#include "patina/base/error.h"

namespace patina {

LanguageShape decoder_shape(Checkpoint& checkpoint, const std::string& family,
                            const DecoderStandards& standards) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape{.family = family, .pooling = Pooling::last, .words = true};
  auto& block = shape.text.block;
  const auto hidden = standards.hidden > 0 ? std::optional(standards.hidden) : std::nullopt;
  block = {.width = config.size("hidden_size", standards.width),
           .heads = config.size("num_attention_heads", standards.heads),
           .hidden = config.size("intermediate_size", hidden),
           .qkv_bias = false,
           .proj_bias = false,
           .mlp_bias = false,
           .rms_norm = true,
           .gated = true,
           .activation = config.activation(standards.activation_key, standards.activation),
           .eps = config.number("rms_norm_eps", standards.eps)};
  const bool grouped = standards.key_heads > 0 && !config.says_null("num_key_value_heads");
  block.key_heads = config.size("num_key_value_heads", grouped ? standards.key_heads : block.heads);
  block.head_size = config.size("head_dim", standards.head_size);
  shape.text.depth = config.size("num_hidden_layers", standards.depth);
  shape.text.vocabulary = config.size("vocab_size", standards.vocabulary);
  shape.text.longest = config.size("max_position_embeddings", standards.longest);
  shape.text.causal = true;
  shape.word_head.tied = config.flag("tie_word_embeddings", standards.tied);
  shape.classes = checkpoint.rows("score.weight");
  shape.class_bias = false;
  config.skip({"attention_dropout"});
  check_block(block, checkpoint.origin);
  return shape;
}

RotaryBasis rotary_basis(const LanguageShape& shape) {
  return {.head_size = shape.text.block.size(), .longest = shape.text.longest};
}

void read_windows(ConfigJson& config, TextShape& text, int64_t window,
                  const std::function<bool(int64_t)>& slides) {
  const auto types = config.words("layer_types");
  text.window = window;
  if (types.empty() && window == 0) return;
  if (!types.empty() && types.size() != size_t(text.depth))
    fail(ErrorKind::model, "{}: layer_types has {} entries for {} blocks", config.origin(),
         types.size(), text.depth);
  for (int64_t i = 0; i < text.depth; ++i) {
    const bool local = types.empty() ? slides(i) : types[size_t(i)] == "sliding_attention";
    if (!types.empty() && !local && types[size_t(i)] != "full_attention")
      fail(ErrorKind::model,
           "{}: layer_types has \"{}\", which is not supported; patina has full_attention and "
           "sliding_attention",
           config.origin(), types[size_t(i)]);
    if (local && window == 0)
      fail(ErrorKind::model, "{}: layer_types has sliding_attention, but no window is set",
           config.origin());
    text.local.push_back(local);
  }
}

void read_common_window(ConfigJson& config, TextShape& text, const std::string& key,
                        int64_t standard) {
  text.block.window = config.says_null(key) ? 0 : config.size(key, standard);
  config.all_must_be("layer_types", text.block.window > 0 ? "sliding_attention" : "full_attention");
}

NameTable decoder_names() {
  return {
      .prefix = "model.",
      .rules = {{"text.embed", {"@embed_tokens"}},
                {"text.blocks.{}.norm1", {"@layers.{}.input_layernorm"}},
                {"text.blocks.{}.attn.qkv",
                 {"@layers.{}.self_attn.q_proj", "@layers.{}.self_attn.k_proj",
                  "@layers.{}.self_attn.v_proj"}},
                {"text.blocks.{}.attn.query_norm", {"@layers.{}.self_attn.q_norm"}},
                {"text.blocks.{}.attn.key_norm", {"@layers.{}.self_attn.k_norm"}},
                {"text.blocks.{}.attn.proj", {"@layers.{}.self_attn.o_proj"}},
                {"text.blocks.{}.norm2", {"@layers.{}.post_attention_layernorm"}},
                {"text.blocks.{}.mlp.fc1", {"@layers.{}.mlp.gate_proj", "@layers.{}.mlp.up_proj"}},
                {"text.blocks.{}.mlp.fc2", {"@layers.{}.mlp.down_proj"}},
                {"text.norm", {"@norm"}},
                {"word_head.decoder", {"lm_head"}},
                {"classifier", {"score"}}},
      .unneeded = {"@layers.*.self_attn.rotary_emb.inv_freq", "@rotary_emb.inv_freq",
                   "lm_head.weight"}};
}

ShapeKeys decoder_keys() {
  return {.depth = "num_hidden_layers",
          .heads = "num_attention_heads",
          .key_heads = "num_key_value_heads",
          .head_size = "head_dim",
          .hidden = "intermediate_size",
          .windows = "layer_types"};
}

}  // namespace patina

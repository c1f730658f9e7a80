// Gemma 2 (Gemma Team, 2024) and the text model of Gemma 3 (Gemma Team, 2025): norms around one
// before and after each half of a block, a GELU gate, scaled embeddings, and windows in most
// blocks. Gemma 2 caps its scores; Gemma 3 normalises queries and keys instead, and its windowed
// blocks have rotary positions of their own.
#include <cmath>

#include "patina/models/text/decoder_config.h"

namespace patina {

namespace {

NameTable gemma_names() {
  NameTable names = decoder_names();
  for (NameRule& rule : names.rules)
    if (rule.ours == "text.blocks.{}.norm2") rule.theirs = {"@layers.{}.pre_feedforward_layernorm"};
  names.rules.push_back({"text.blocks.{}.sum_norm1", {"@layers.{}.post_attention_layernorm"}});
  names.rules.push_back({"text.blocks.{}.sum_norm2", {"@layers.{}.post_feedforward_layernorm"}});
  return names;
}

// A cap of scores; 0: none.
double cap(ConfigJson& config, const std::string& key, double standard) {
  return config.says_null(key) ? 0 : config.number(key, standard);
}

DecoderStandards gemma_standards(int64_t vocabulary, int64_t longest) {
  return {.width = 2304,
          .heads = 8,
          .key_heads = 4,
          .head_size = 256,
          .hidden = 9216,
          .depth = 26,
          .vocabulary = vocabulary,
          .longest = longest,
          .tied = true,
          .activation_key = "hidden_activation",
          .activation = "gelu_pytorch_tanh"};
}

// What both have in common; all blocks for which `slides` is true have a window.
LanguageShape gemma_shape(Checkpoint& checkpoint, const std::string& family,
                          const DecoderStandards& standards,
                          const std::function<bool(int64_t)>& slides) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = decoder_shape(checkpoint, family, standards);
  auto& block = shape.text.block;
  block.around_one = block.sum_norm = true;
  block.qkv_bias = block.proj_bias = config.flag("attention_bias", false);
  block.scaled_as = config.number("query_pre_attn_scalar", 256);
  shape.text.embed_scale = std::sqrt(double(block.width));
  const bool windows = !config.says_null("sliding_window");
  read_windows(config, shape.text, windows ? config.size("sliding_window", 4096) : 0, slides);
  config.must_be("use_bidirectional_attention", false);
  // The published files name the activation and the window twice, and the cache of one program.
  config.skip({"hidden_act", "sliding_window_size", "cache_implementation"});
  return shape;
}

}  // namespace

std::unique_ptr<Backbone> open_gemma2(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = gemma_shape(checkpoint, "gemma2", gemma_standards(256000, 8192),
                                    [](int64_t layer) { return layer % 2 == 0; });
  shape.text.block.cap = cap(config, "attn_logit_softcapping", 50);
  shape.word_head.cap = cap(config, "final_logit_softcapping", 30);
  RotaryBasis basis = rotary_basis(shape);
  shape.text.block.rotary = read_rotary(config, basis);
  shape.text.longest = basis.longest;
  config.finish();
  return open_language_model(checkpoint, shape, gemma_names(), decoder_keys());
}

std::unique_ptr<Backbone> open_gemma3(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  const int64_t period = config.size("sliding_window_pattern", 6);
  LanguageShape shape = gemma_shape(checkpoint, "gemma3_text", gemma_standards(262208, 131072),
                                    [&](int64_t layer) { return (layer + 1) % period != 0; });
  shape.text.block.head_norm = true;
  // transformers has a cap of attention's scores in its config, which its Gemma 3 does not read.
  config.must_be("attn_logit_softcapping", nullptr);
  shape.word_head.cap = cap(config, "final_logit_softcapping", 0);
  RotaryBasis full = rotary_basis(shape), local = full;
  full.theta = config.number("rope_theta", 1e6);
  local.theta = config.number("rope_local_base_freq", 1e4);
  ConfigJson both = config.part("rope_parameters");
  ConfigJson of_local = both.part("sliding_attention");
  ConfigJson of_full =
      config.has("rope_scaling") ? config.part("rope_scaling") : both.part("full_attention");
  shape.text.block.rotary = read_rotary(config, of_full, full);
  shape.text.local_rotary = read_rotary(config, of_local, local);
  shape.text.longest = full.longest;
  both.finish();
  config.skip({"_sliding_window_pattern"});  // says again what layer_types says
  config.finish();
  return open_language_model(checkpoint, shape, gemma_names(), decoder_keys());
}

}  // namespace patina

// LLaMA (Touvron et al., 2023) and Qwen2 (Yang et al., 2024): pre-norm decoders with RMSNorm,
// rotary positions, grouped keys and a gated MLP.
#include "patina/models/family.h"
#include "patina/models/text/language_model.h"

namespace patina {

namespace {

NameTable llama_names() {
  return {
      .prefix = "model.",
      .rules = {{"text.embed", {"@embed_tokens"}},
                {"text.blocks.{}.norm1", {"@layers.{}.input_layernorm"}},
                {"text.blocks.{}.attn.qkv",
                 {"@layers.{}.self_attn.q_proj", "@layers.{}.self_attn.k_proj",
                  "@layers.{}.self_attn.v_proj"}},
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

// The base of the rotary angles; newer files have it in a nested object.
double rope_theta(ConfigJson& config, double standard) {
  ConfigJson rope = config.part("rope_parameters");
  if (!config.has("rope_parameters")) return config.number("rope_theta", standard);
  rope.must_be("rope_type", "default");
  const double theta = rope.number("rope_theta", standard);
  rope.finish();
  config.skip({"rope_theta"});
  return theta;
}

LanguageShape llama_shape(Checkpoint& checkpoint, double eps, double theta) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape{.pooling = Pooling::last, .words = true};
  auto& block = shape.text.block;
  block = {.width = config.size("hidden_size", 4096),
           .heads = config.size("num_attention_heads", 32),
           .hidden = config.size("intermediate_size"),
           .qkv_bias = false,
           .proj_bias = false,
           .mlp_bias = false,
           .rms_norm = true,
           .gated = true,
           .activation = config.activation("hidden_act", "silu"),
           .rope_theta = rope_theta(config, theta),
           .eps = config.number("rms_norm_eps", eps)};
  block.key_heads = config.size("num_key_value_heads", block.heads);
  if (config.has("head_dim")) block.head_size = config.size("head_dim");
  shape.text.depth = config.size("num_hidden_layers", 32);
  shape.text.vocabulary = config.size("vocab_size", 32000);
  shape.text.longest = config.size("max_position_embeddings", 2048);
  shape.text.causal = true;
  shape.word_head.tied = config.flag("tie_word_embeddings", false);
  shape.classes = checkpoint.rows("score.weight");
  shape.class_bias = false;
  config.must_be("rope_scaling", nullptr);
  config.must_be("partial_rotary_factor", 1.0);
  config.all_must_be("layer_types", "full_attention");
  config.skip({"attention_dropout", "pretraining_tp"});
  return shape;
}

}  // namespace

std::unique_ptr<Backbone> open_llama(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = llama_shape(checkpoint, 1e-6, 10000);
  shape.family = "llama";
  shape.text.block.qkv_bias = shape.text.block.proj_bias = config.flag("attention_bias", false);
  shape.text.block.mlp_bias = config.flag("mlp_bias", false);
  config.finish();
  return open_language_model(checkpoint, shape, llama_names());
}

std::unique_ptr<Backbone> open_qwen2(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = llama_shape(checkpoint, 1e-6, 10000);
  shape.family = "qwen2";
  shape.text.block.qkv_bias = true;
  config.must_be("use_sliding_window", false);
  config.must_be("use_mrope", false);
  config.skip({"sliding_window", "max_window_layers"});  // they belong to the disabled window
  config.finish();
  return open_language_model(checkpoint, shape, llama_names());
}

}  // namespace patina

// ModernBERT (Warner et al., ACL 2025): a pre-norm encoder with rotary positions and a gated MLP,
// most of whose blocks see a window on both sides and turn by another base.
#include "patina/models/text/decoder_config.h"

#include "patina/base/error.h"

namespace patina {

namespace {

NameTable modernbert_names() {
  return {.prefix = "model.",
          .rules = {{"text.embed", {"@embeddings.tok_embeddings"}},
                    {"text.embed_norm", {"@embeddings.norm"}},
                    {"text.blocks.{}.norm1", {"@layers.{}.attn_norm"}},
                    {"text.blocks.{}.attn.qkv", {"@layers.{}.attn.Wqkv"}},
                    {"text.blocks.{}.attn.proj", {"@layers.{}.attn.Wo"}},
                    {"text.blocks.{}.norm2", {"@layers.{}.mlp_norm"}},
                    {"text.blocks.{}.mlp.fc1", {"@layers.{}.mlp.Wi"}},
                    {"text.blocks.{}.mlp.fc2", {"@layers.{}.mlp.Wo"}},
                    {"text.norm", {"@final_norm"}},
                    {"word_head.transform", {"head.dense"}},
                    {"word_head.norm", {"head.norm"}},
                    {"word_head.decoder", {"decoder"}},
                    {"class_dense", {"head.dense"}},
                    {"class_norm", {"head.norm"}}},
          .unneeded = {"decoder.weight"}};
}

// Both kinds of blocks: the bases stand beside each other in older files, and in an object a kind
// in newer ones. One scaling in an older file is that of both.
void read_rotaries(ConfigJson& config, TextShape& text) {
  RotaryBasis full{.theta = config.number("global_rope_theta", 160000),
                   .head_size = text.block.size(),
                   .longest = text.longest};
  RotaryBasis local = full;
  local.theta = config.number("local_rope_theta", 10000);
  ConfigJson both = config.part("rope_parameters");
  const auto described = [&](const char* kind) {
    return config.has("rope_scaling") ? config.part("rope_scaling") : both.part(kind);
  };
  ConfigJson of_full = described("full_attention"), of_local = described("sliding_attention");
  text.block.rotary = read_rotary(config, of_full, full);
  text.local_rotary = read_rotary(config, of_local, local);
  text.longest = full.longest;
  both.finish();
}

Pooling read_pooling(ConfigJson& config) {
  const std::string pooling = config.word("classifier_pooling", "cls");
  if (pooling == "cls") return Pooling::first;
  if (pooling == "mean") return Pooling::mean;
  fail(ErrorKind::model,
       "{}: classifier_pooling = \"{}\" is not supported; patina has cls and mean", config.origin(),
       pooling);
}

}  // namespace

std::unique_ptr<Backbone> open_modernbert(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape{.family = "modernbert", .pooling = read_pooling(config)};
  TextShape& text = shape.text;
  const bool attention_bias = config.flag("attention_bias", false);
  text.block = {.width = config.size("hidden_size", 768),
                .heads = config.size("num_attention_heads", 12),
                .hidden = config.size("intermediate_size", 1152),
                .qkv_bias = attention_bias,
                .proj_bias = attention_bias,
                .mlp_bias = config.flag("mlp_bias", false),
                .norm_bias = config.flag("norm_bias", false),
                .gated = true,
                .activation = config.activation("hidden_activation", "gelu"),
                .eps = config.number("norm_eps", 1e-5)};
  check_block(text.block, checkpoint.origin);
  text.depth = config.size("num_hidden_layers", 22);
  text.vocabulary = config.size("vocab_size", 50368);
  text.longest = config.size("max_position_embeddings", 8192);
  text.embed_norm = text.bare_first = true;
  // Half of the window lies on each side of a token, which sees itself, too.
  const int64_t window = config.size("local_attention", 128) / 2 + 1;
  const int64_t period = config.size("global_attn_every_n_layers", 3);
  read_windows(config, text, window, [&](int64_t layer) { return layer % period != 0; });
  read_rotaries(config, text);

  // Words and classes are read behind a head of the same name, so a file has one of them.
  shape.class_activation = config.activation("classifier_activation", "gelu");
  const bool head_bias = config.flag("classifier_bias", false);
  shape.classes = checkpoint.rows("classifier.weight");
  shape.words = shape.classes == 0 && checkpoint.has("head.dense.weight");
  shape.class_dense = shape.class_norm = shape.classes > 0;
  shape.class_dense_bias = head_bias;
  shape.word_head = {.transform = true,
                     .activation = shape.class_activation,
                     .tied = config.flag("tie_word_embeddings", true),
                     .bias = config.flag("decoder_bias", true),
                     .transform_bias = head_bias,
                     .norm_bias = text.block.norm_bias,
                     .eps = text.block.eps};
  // The published files keep two keys of BERT's, which nothing reads. Sparse prediction skips words
  // that carry no loss.
  config.skip({"attention_dropout", "embedding_dropout", "mlp_dropout", "initializer_cutoff_factor",
               "cls_token_id", "deterministic_flash_attn", "reference_compile",
               "repad_logits_with_grad", "sparse_prediction", "sparse_pred_ignore_index",
               "position_embedding_type", "layer_norm_eps"});
  config.finish();
  return open_language_model(checkpoint, shape, modernbert_names());
}

}  // namespace patina

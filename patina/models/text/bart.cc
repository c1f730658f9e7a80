// BART (Lewis et al., ACL 2020): an encoder and a decoder of BERT's blocks.
#include <cmath>

#include "patina/models/family.h"
#include "patina/models/text/encoder_decoder.h"

namespace patina {

namespace {

// The first rows of its position embeddings are not used: they once were fairseq's padding.
constexpr int64_t kUnusedPositions = 2;

NameTable bart_names() {
  NameTable names{.prefix = "model.",
                  .rules = {{"embed", {"@shared"}},
                            {"word_head.decoder.bias", {"final_logits_bias"}},
                            {"word_head.decoder", {"lm_head"}}},
                  .unneeded = {"@encoder.embed_tokens.weight", "@decoder.embed_tokens.weight",
                               "lm_head.weight", "final_logits_bias"}};
  for (const std::string tower : {"encoder", "decoder"}) {
    const std::string ours = tower + ".blocks.{}.", theirs = "@" + tower + ".layers.{}.";
    const auto attention = [&](const std::string& our, const std::string& its) {
      const std::string at = theirs + its;
      names.rules.push_back(
          {ours + our + ".qkv", {at + ".q_proj", at + ".k_proj", at + ".v_proj"}});
      names.rules.push_back({ours + our + ".proj", {at + ".out_proj"}});
    };
    names.rules.push_back({tower + ".position", {"@" + tower + ".embed_positions"}});
    names.rules.push_back({tower + ".embed_norm", {"@" + tower + ".layernorm_embedding"}});
    attention("attn", "self_attn");
    attention("cross", "encoder_attn");
    names.rules.push_back({ours + "norm1", {theirs + "self_attn_layer_norm"}});
    names.rules.push_back({ours + "norm_cross", {theirs + "encoder_attn_layer_norm"}});
    names.rules.push_back({ours + "mlp.fc1", {theirs + "fc1"}});
    names.rules.push_back({ours + "mlp.fc2", {theirs + "fc2"}});
    names.rules.push_back({ours + "norm2", {theirs + "final_layer_norm"}});
  }
  return names;
}

}  // namespace

std::unique_ptr<Backbone> open_bart(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  EncoderDecoderShape shape{.family = "bart"};
  shape.vocabulary = config.size("vocab_size", 50265);
  shape.start = config.id("decoder_start_token_id", config.id("eos_token_id", 2));
  auto& encoder = shape.encoder;
  encoder.block = {.width = config.size("d_model", 1024),
                   .heads = config.size("encoder_attention_heads", 16),
                   .hidden = config.size("encoder_ffn_dim", 4096),
                   .post_norm = true,
                   .activation = config.activation("activation_function", "gelu"),
                   .eps = 1e-5};
  encoder.depth = config.size("encoder_layers", 12);
  encoder.longest = config.size("max_position_embeddings", 1024);
  encoder.positions = encoder.longest + kUnusedPositions;
  encoder.position_start = kUnusedPositions;
  encoder.embed_norm = true;
  encoder.final_norm = false;
  if (config.flag("scale_embedding", false))
    encoder.embed_scale = std::sqrt(double(encoder.block.width));
  shape.decoder = encoder;
  shape.decoder.block.heads = config.size("decoder_attention_heads", 16);
  shape.decoder.block.hidden = config.size("decoder_ffn_dim", 4096);
  shape.decoder.block.cross = true;
  shape.decoder.depth = config.size("decoder_layers", 12);
  shape.decoder.causal = true;
  shape.word_head = {.tied = config.flag("tie_word_embeddings", true) &&
                             !has_own_head(checkpoint, "lm_head.weight", "model.shared.weight"),
                     .bias = checkpoint.has("final_logits_bias")};
  // Variants of fairseq's that no published BART of this name has.
  config.must_be("normalize_before", false);
  config.must_be("add_final_layer_norm", false);
  config.must_be("static_position_embeddings", false);
  config.must_be("normalize_embedding", true);
  config.must_be("add_bias_logits", false);
  config.must_be("is_decoder", false);
  config.must_be("is_encoder_decoder", true);
  // Dropout, what follows from other keys, and which words a generated text must begin or end with.
  config.skip({"dropout", "attention_dropout", "activation_dropout", "classif_dropout",
               "encoder_layerdrop", "decoder_layerdrop", "init_std", "num_hidden_layers",
               "extra_pos_embeddings", "save_step", "early_stopping", "forced_bos_token_id",
               "forced_eos_token_id"});
  config.finish();
  return open_encoder_decoder(checkpoint, shape, bart_names());
}

}  // namespace patina

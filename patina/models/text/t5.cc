// T5 (Raffel et al., JMLR 2020) and T5 1.1.
#include <cmath>

#include "patina/models/family.h"
#include "patina/models/text/encoder_decoder.h"

namespace patina {

namespace {

std::vector<NameRule> tower_rules(const std::string& ours, const std::string& theirs, bool cross) {
  const std::string block = theirs + ".block.{}.layer.", mlp = cross ? "2" : "1";
  const std::string attention = block + "0.SelfAttention.", other = block + "1.EncDecAttention.";
  std::vector<NameRule> rules = {
      {ours + ".relative", {theirs + ".block.0.layer.0.SelfAttention.relative_attention_bias"}},
      {ours + ".blocks.{}.norm1", {block + "0.layer_norm"}},
      {ours + ".blocks.{}.attn.qkv", {attention + "q", attention + "k", attention + "v"}},
      {ours + ".blocks.{}.attn.proj", {attention + "o"}},
      {ours + ".blocks.{}.norm_cross", {block + "1.layer_norm"}},
      {ours + ".blocks.{}.cross.qkv", {other + "q", other + "k", other + "v"}},
      {ours + ".blocks.{}.cross.proj", {other + "o"}},
      {ours + ".blocks.{}.norm2", {block + mlp + ".layer_norm"}},
      {ours + ".blocks.{}.mlp.fc2", {block + mlp + ".DenseReluDense.wo"}},
      {ours + ".norm", {theirs + ".final_layer_norm"}}};
  return rules;
}

NameTable t5_names(bool gated) {
  NameTable names{
      .rules = {{"embed", {"shared"}}, {"word_head.decoder", {"lm_head"}}},
      .unneeded = {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "lm_head.weight",
                   // Present in old files, but no forward pass ever read it.
                   "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.*"}};
  for (const bool decoder : {false, true}) {
    const std::string tower = decoder ? "decoder" : "encoder";
    for (auto& rule : tower_rules(tower, tower, decoder)) names.rules.push_back(std::move(rule));
    const std::string wi =
        tower + ".block.{}.layer." + (decoder ? "2" : "1") + ".DenseReluDense.wi";
    names.rules.push_back({tower + ".blocks.{}.mlp.fc1",
                           gated ? std::vector{wi + "_0", wi + "_1"} : std::vector{wi}});
  }
  return names;
}

}  // namespace

std::unique_ptr<Backbone> open_t5(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  EncoderDecoderShape shape{.family = "t5"};
  shape.vocabulary = config.size("vocab_size", 32128);
  shape.start = config.id("decoder_start_token_id", config.id("pad_token_id", 0));
  // "relu", "gated-gelu", "gated-silu": the gated GELU is the tanh one.
  std::string feed = config.word("feed_forward_proj", "relu");
  const bool gated = feed.starts_with("gated-");
  if (gated) feed = feed.substr(6);
  if (gated && feed == "gelu") feed = "gelu_new";
  auto& encoder = shape.encoder;
  encoder.block = {.width = config.size("d_model", 512),
                   .heads = config.size("num_heads", 8),
                   .head_size = config.size("d_kv", 64),
                   .hidden = config.size("d_ff", 2048),
                   .qkv_bias = false,
                   .proj_bias = false,
                   .mlp_bias = false,
                   .rms_norm = true,
                   .scaled = false,
                   .gated = gated,
                   .activation = config.activation_called(feed, "feed_forward_proj"),
                   .eps = config.number("layer_norm_epsilon", 1e-6)};
  encoder.depth = config.size("num_layers", 6);
  encoder.relative_buckets = config.size("relative_attention_num_buckets", 32);
  encoder.relative_furthest = config.size("relative_attention_max_distance", 128);
  shape.decoder = encoder;
  shape.decoder.depth = config.size("num_decoder_layers", encoder.depth);
  shape.decoder.causal = true;
  shape.decoder.block.cross = true;
  // Newer files mark every head as tied, and have another key for the old meaning.
  const bool tied = config.flag("tie_word_embeddings", true);
  const bool scaled = config.flag("scale_decoder_outputs", tied);
  shape.word_head.tied =
      tied && (scaled ? !has_own_head(checkpoint, "lm_head.weight", "shared.weight")
                      : !checkpoint.has("lm_head.weight"));
  if (scaled) shape.word_head.scale = 1 / std::sqrt(double(encoder.block.width));
  config.must_be("is_encoder_decoder", true);
  config.must_be("is_gated_act", gated);
  config.skip({"dropout_rate", "n_positions", "dense_act_fn"});  // the last two follow from others
  config.finish();
  return open_encoder_decoder(checkpoint, shape, t5_names(gated));
}

}  // namespace patina

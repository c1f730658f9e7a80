// DeBERTa-v2 and -v3 (He et al., ICLR 2021; ICLR 2023): post-norm encoders whose tokens attend to
// distances as to contents.
#include <algorithm>

#include "patina/base/error.h"
#include "patina/checkpoint/name_table.h"
#include "patina/models/family.h"
#include "patina/models/text/language_model.h"

namespace patina {

namespace {

// Pre-training leaves the head over words under other names than transformers' own.
constexpr const char* kOwnHead = "cls.predictions.transform.dense.weight";
constexpr const char* kPretrainedHead = "lm_predictions.lm_head.dense.weight";

NameTable deberta_names(const Checkpoint& checkpoint) {
  const bool own = checkpoint.has(kOwnHead);
  const std::string head = own ? "cls.predictions." : "lm_predictions.lm_head.";
  const std::string transform = own ? head + "transform." : head;
  const std::string layer = "@encoder.layer.{}.", attention = layer + "attention.self.";
  return {.prefix = "deberta.",
          .rules = {{"text.embed", {"@embeddings.word_embeddings"}},
                    {"text.position", {"@embeddings.position_embeddings"}},
                    {"text.type", {"@embeddings.token_type_embeddings"}},
                    {"text.embed_norm", {"@embeddings.LayerNorm"}},
                    {"text.distances.norm", {"@encoder.LayerNorm"}},
                    {"text.distances", {"@encoder.rel_embeddings"}},
                    {"text.blocks.{}.attn.qkv",
                     {attention + "query_proj", attention + "key_proj", attention + "value_proj"}},
                    {"text.blocks.{}.attn.distance_key", {attention + "pos_key_proj"}},
                    {"text.blocks.{}.attn.distance_query", {attention + "pos_query_proj"}},
                    {"text.blocks.{}.attn.proj", {layer + "attention.output.dense"}},
                    {"text.blocks.{}.norm1", {layer + "attention.output.LayerNorm"}},
                    {"text.blocks.{}.mlp.fc1", {layer + "intermediate.dense"}},
                    {"text.blocks.{}.mlp.fc2", {layer + "output.dense"}},
                    {"text.blocks.{}.norm2", {layer + "output.LayerNorm"}},
                    {"word_head.transform", {transform + "dense"}},
                    {"word_head.norm", {transform + "LayerNorm"}},
                    {"word_head.decoder.bias", {head + "bias"}},
                    {"word_head.decoder", {head + "decoder"}},
                    {"class_dense", {"pooler.dense"}}},
          // Files of models without absolute positions have their embedding all the same.
          .unneeded = {"@embeddings.position_ids", "@embeddings.position_embeddings.*",
                       "cls.predictions.*", "lm_predictions.*", "mask_predictions.*"}};
}

// "p2c|c2p", or a list of the two.
nn::Disentangled read_terms(ConfigJson& config) {
  std::vector<std::string> terms = config.words_of("pos_att_type", '|');
  const auto take = [&](const char* name) { return std::erase(terms, name) > 0; };
  nn::Disentangled disentangled{.to_distances = take("c2p"), .of_distances = take("p2c")};
  if (!terms.empty())
    fail(ErrorKind::model,
         "{}: pos_att_type has \"{}\", which is not supported; patina has c2p and p2c",
         config.origin(), terms.front());
  if (!config.flag("relative_attention", false))
    fail(ErrorKind::model, "{}: relative_attention is not true; patina has DeBERTa with it only",
         config.origin());
  if (!disentangled.on())
    fail(ErrorKind::model, "{}: relative_attention, but no pos_att_type", config.origin());
  disentangled.own_layers = !config.flag("share_att_key", false);
  return disentangled;
}

}  // namespace

std::unique_ptr<Backbone> open_deberta(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape{.family = "deberta-v2"};
  TextShape& text = shape.text;
  const int64_t width = config.size("hidden_size", 1536);
  text.block = {.width = width,
                .heads = config.size("num_attention_heads", 24),
                .hidden = config.size("intermediate_size", 6144),
                .post_norm = true,
                .activation = config.activation("hidden_act", "gelu"),
                .disentangled = read_terms(config),
                .eps = config.number("layer_norm_eps", 1e-7)};
  if (config.has("attention_head_size")) text.block.head_size = config.size("attention_head_size");
  check_block(text.block, checkpoint.origin);
  // Scores are sums of several products, and divided as if heads were as many times as wide.
  const auto& terms = text.block.disentangled;
  text.block.scaled_as =
      double(text.block.size() * (1 + int(terms.to_distances) + int(terms.of_distances)));
  text.depth = config.size("num_hidden_layers", 24);
  text.vocabulary = config.size("vocab_size", 128100);
  text.longest = config.size("max_position_embeddings", 512);
  if (config.flag("position_biased_input", true)) text.positions = text.longest;
  text.types = config.count("type_vocab_size", 0);
  text.embed_norm = true;
  text.final_norm = false;

  // -1 stands for the longest text, and for no buckets.
  const int64_t furthest = config.size_or_none("max_relative_positions");
  text.distance_furthest = furthest > 0 ? furthest : text.longest;
  text.distance_buckets = config.size_or_none("position_buckets");
  text.distances = text.distance_buckets > 0 ? text.distance_buckets : text.distance_furthest;
  const int64_t half = text.distance_buckets / 2;
  if (text.distance_buckets > 0 && (half < 1 || text.distance_furthest - 1 <= half))
    fail(ErrorKind::model, "{}: position_buckets = {} do not fit distances up to {}",
         config.origin(), text.distance_buckets, text.distance_furthest);
  const std::string norm = config.word("norm_rel_ebd", "none");
  if (norm != "none" && norm != "layer_norm")
    fail(ErrorKind::model,
         "{}: norm_rel_ebd = \"{}\" is not supported; patina has none and layer_norm",
         config.origin(), norm);
  text.distance_norm = norm == "layer_norm";

  shape.words = checkpoint.has(kOwnHead) || checkpoint.has(kPretrainedHead);
  shape.word_head = {.transform = true,
                     .activation = text.block.activation,
                     .tied = config.flag("tie_word_embeddings", true),
                     .bias = true,
                     .eps = text.block.eps};
  shape.classes = checkpoint.rows("classifier.weight");
  shape.class_dense = shape.classes > 0;
  shape.class_activation = config.activation("pooler_hidden_act", "gelu");
  // The convolution beside the first block of the largest models, and narrow embeddings.
  config.must_be("conv_kernel_size", 0);
  config.must_be("embedding_size", int(width));
  config.must_be("pooler_hidden_size", int(width));
  config.skip({"hidden_dropout_prob", "attention_probs_dropout_prob", "pooler_dropout",
               "cls_dropout", "legacy"});
  config.finish();
  return open_language_model(checkpoint, shape, deberta_names(checkpoint));
}

}  // namespace patina

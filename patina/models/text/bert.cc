// BERT (Devlin et al., NAACL 2019), RoBERTa (Liu et al., 2019), DistilBERT (Sanh et al., 2019) and
// MPNet (Song et al., NeurIPS 2020): post-norm encoders that differ in names, positions and heads.
#include "patina/models/text/bert.h"

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/models/family.h"
#include "patina/models/stored_form.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

std::vector<NameRule> bert_rules() {
  return {{"text.embed", {"@embeddings.word_embeddings"}},
          {"text.position", {"@embeddings.position_embeddings"}},
          {"text.type", {"@embeddings.token_type_embeddings"}},
          {"text.embed_norm", {"@embeddings.LayerNorm"}},
          {"text.blocks.{}.attn.qkv",
           {"@encoder.layer.{}.attention.self.query", "@encoder.layer.{}.attention.self.key",
            "@encoder.layer.{}.attention.self.value"}},
          {"text.blocks.{}.attn.proj", {"@encoder.layer.{}.attention.output.dense"}},
          {"text.blocks.{}.norm1", {"@encoder.layer.{}.attention.output.LayerNorm"}},
          {"text.blocks.{}.mlp.fc1", {"@encoder.layer.{}.intermediate.dense"}},
          {"text.blocks.{}.mlp.fc2", {"@encoder.layer.{}.output.dense"}},
          {"text.blocks.{}.norm2", {"@encoder.layer.{}.output.LayerNorm"}},
          {"pooler", {"@pooler.dense"}}};
}

NameTable bert_names() {
  NameTable names{.prefix = "bert.", .rules = bert_rules()};
  names.rules.insert(names.rules.end(),
                     {{"word_head.transform", {"cls.predictions.transform.dense"}},
                      {"word_head.norm", {"cls.predictions.transform.LayerNorm"}},
                      {"word_head.decoder.bias", {"cls.predictions.bias"}},
                      {"word_head.decoder", {"cls.predictions.decoder"}},
                      {"next_sentence", {"cls.seq_relationship"}}});
  names.unneeded = {"@embeddings.position_ids", "cls.predictions.decoder.*", "cls.*"};
  return names;
}

NameTable roberta_names() {
  NameTable names{.prefix = "roberta.", .rules = bert_rules()};
  names.rules.insert(names.rules.end(), {{"word_head.transform", {"lm_head.dense"}},
                                         {"word_head.norm", {"lm_head.layer_norm"}},
                                         {"word_head.decoder.bias", {"lm_head.bias"}},
                                         {"word_head.decoder", {"lm_head.decoder"}},
                                         {"class_dense", {"classifier.dense"}},
                                         {"classifier", {"classifier.out_proj"}}});
  names.unneeded = {"@embeddings.position_ids", "lm_head.decoder.*"};
  return names;
}

NameTable distilbert_names() {
  return {
      .prefix = "distilbert.",
      .rules = {{"text.embed", {"@embeddings.word_embeddings"}},
                {"text.position", {"@embeddings.position_embeddings"}},
                {"text.embed_norm", {"@embeddings.LayerNorm"}},
                {"text.blocks.{}.attn.qkv",
                 {"@transformer.layer.{}.attention.q_lin", "@transformer.layer.{}.attention.k_lin",
                  "@transformer.layer.{}.attention.v_lin"}},
                {"text.blocks.{}.attn.proj", {"@transformer.layer.{}.attention.out_lin"}},
                {"text.blocks.{}.norm1", {"@transformer.layer.{}.sa_layer_norm"}},
                {"text.blocks.{}.mlp.fc1", {"@transformer.layer.{}.ffn.lin1"}},
                {"text.blocks.{}.mlp.fc2", {"@transformer.layer.{}.ffn.lin2"}},
                {"text.blocks.{}.norm2", {"@transformer.layer.{}.output_layer_norm"}},
                {"word_head.transform", {"vocab_transform"}},
                {"word_head.norm", {"vocab_layer_norm"}},
                {"word_head.decoder", {"vocab_projector"}},
                {"class_dense", {"pre_classifier"}}},
      .unneeded = {"vocab_projector.weight", "@embeddings.position_ids"}};
}

NameTable mpnet_names() {
  return {.prefix = "mpnet.",
          .rules = {{"text.embed", {"@embeddings.word_embeddings"}},
                    {"text.position", {"@embeddings.position_embeddings"}},
                    {"text.embed_norm", {"@embeddings.LayerNorm"}},
                    {"text.relative", {"@encoder.relative_attention_bias"}},
                    {"text.blocks.{}.attn.qkv",
                     {"@encoder.layer.{}.attention.attn.q", "@encoder.layer.{}.attention.attn.k",
                      "@encoder.layer.{}.attention.attn.v"}},
                    {"text.blocks.{}.attn.proj", {"@encoder.layer.{}.attention.attn.o"}},
                    {"text.blocks.{}.norm1", {"@encoder.layer.{}.attention.LayerNorm"}},
                    {"text.blocks.{}.mlp.fc1", {"@encoder.layer.{}.intermediate.dense"}},
                    {"text.blocks.{}.mlp.fc2", {"@encoder.layer.{}.output.dense"}},
                    {"text.blocks.{}.norm2", {"@encoder.layer.{}.output.LayerNorm"}},
                    {"pooler", {"@pooler.dense"}},
                    {"word_head.transform", {"lm_head.dense"}},
                    {"word_head.norm", {"lm_head.layer_norm"}},
                    {"word_head.decoder.bias", {"lm_head.bias"}},
                    {"word_head.decoder", {"lm_head.decoder"}},
                    {"class_dense", {"classifier.dense"}},
                    {"classifier", {"classifier.out_proj"}}},
          .unneeded = {"@embeddings.position_ids", "lm_head.decoder.*"}};
}

// The parts common to BERT, RoBERTa and MPNet; `prefix` is that of the tensor names.
LanguageShape bert_shape(Checkpoint& checkpoint, const std::string& prefix) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape;
  shape.text.block = {.width = config.size("hidden_size", 768),
                      .heads = config.size("num_attention_heads", 12),
                      .hidden = config.size("intermediate_size", 3072),
                      .post_norm = true,
                      .activation = config.activation("hidden_act", "gelu"),
                      .eps = config.number("layer_norm_eps", 1e-12)};
  shape.text.depth = config.size("num_hidden_layers", 12);
  shape.text.positions = config.size("max_position_embeddings", 512);
  shape.text.longest = shape.text.positions;
  shape.text.types = config.size("type_vocab_size", 2);
  shape.text.embed_norm = true;
  shape.text.final_norm = false;
  shape.word_head = {.transform = true,
                     .activation = shape.text.block.activation,
                     .tied = config.flag("tie_word_embeddings", true),
                     .bias = true,
                     .eps = shape.text.block.eps};
  const bool prefixed = checkpoint.has(prefix + "embeddings.word_embeddings.weight");
  shape.pooler = checkpoint.has((prefixed ? prefix : "") + "pooler.dense.weight");
  config.must_be("position_embedding_type", "absolute");
  config.must_be("is_decoder", false);
  config.must_be("add_cross_attention", false);
  config.skip({"hidden_dropout_prob", "attention_probs_dropout_prob"});
  return shape;
}

}  // namespace

std::unique_ptr<Backbone> open_bert(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = bert_shape(checkpoint, "bert.");
  shape.family = "bert";
  shape.text.vocabulary = config.size("vocab_size", 30522);
  shape.words = checkpoint.has("cls.predictions.transform.dense.weight");
  shape.next_sentence = shape.pooler && checkpoint.has("cls.seq_relationship.weight");
  shape.classes = checkpoint.rows("classifier.weight");
  config.finish();
  return open_language_model(checkpoint, shape, bert_names());
}

std::unique_ptr<Backbone> open_roberta(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = bert_shape(checkpoint, "roberta.");
  shape.family = "roberta";
  shape.text.vocabulary = config.size("vocab_size", 50265);
  shape.text.pad = config.id("pad_token_id", 1);
  shape.text.longest = shape.text.positions - shape.text.pad - 1;
  shape.words = checkpoint.has("lm_head.dense.weight");
  shape.classes = checkpoint.rows("classifier.out_proj.weight");
  shape.class_dense = shape.classes > 0;
  config.finish();
  return open_language_model(checkpoint, shape, roberta_names());
}

// RoBERTa's, with T5's relative positions and without token types.
std::unique_ptr<Backbone> open_mpnet(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape = bert_shape(checkpoint, "mpnet.");
  shape.family = "mpnet";
  shape.text.vocabulary = config.size("vocab_size", 30527);
  shape.text.types = 0;
  shape.text.pad = config.id("pad_token_id", 1);
  shape.text.longest = shape.text.positions - shape.text.pad - 1;
  shape.text.relative_buckets = config.size("relative_attention_num_buckets", 32);
  shape.words = checkpoint.has("lm_head.dense.weight");
  shape.classes = checkpoint.rows("classifier.out_proj.weight");
  shape.class_dense = shape.classes > 0;
  config.finish();
  return open_language_model(checkpoint, shape, mpnet_names());
}

std::unique_ptr<Backbone> open_distilbert(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape;
  shape.family = "distilbert";
  shape.text.block = {.width = config.size("dim", 768),
                      .heads = config.size("n_heads", 12),
                      .hidden = config.size("hidden_dim", 3072),
                      .post_norm = true,
                      .activation = config.activation("activation", "gelu"),
                      .eps = 1e-12};
  shape.text.depth = config.size("n_layers", 6);
  shape.text.vocabulary = config.size("vocab_size", 30522);
  shape.text.positions = config.size("max_position_embeddings", 512);
  shape.text.longest = shape.text.positions;
  shape.text.embed_norm = true;
  shape.text.final_norm = false;
  shape.word_head = {.transform = true,
                     .activation = shape.text.block.activation,
                     .tied = config.flag("tie_word_embeddings", true),
                     .bias = true};
  shape.words = checkpoint.has("vocab_transform.weight");
  shape.classes = checkpoint.rows("classifier.weight");
  shape.class_dense = shape.classes > 0 && checkpoint.has("pre_classifier.weight");
  shape.class_activation = nn::Activation::relu;
  // The sinusoids only initialise the position embedding; the file has the trained one.
  config.skip({"dropout", "attention_dropout", "qa_dropout", "seq_classif_dropout",
               "sinusoidal_pos_embds", "tie_weights_"});
  config.finish();
  return open_language_model(checkpoint, shape, distilbert_names());
}

void save_bert(LanguageModel& model, const std::string& vocabulary, const fs::path& path, bool bf16,
               std::map<std::string, std::string> metadata) {
  const LanguageShape& shape = model.shape();
  const TextShape& text = shape.text;
  PATINA_REQUIRE(shape.family == "bert", "{} is no BERT", model.about());
  metadata[whole_model::kConfig] = Json{
      {"model_type", "bert"},
      {"vocab_size", text.vocabulary},
      {"hidden_size", text.block.width},
      {"num_hidden_layers", text.depth},
      {"num_attention_heads", text.block.heads},
      {"intermediate_size", text.block.hidden},
      {"hidden_act", ConfigJson::name_of(text.block.activation)},
      {"layer_norm_eps", text.block.eps},
      {"max_position_embeddings", text.positions},
      {"type_vocab_size", text.types}}.dump();
  metadata[whole_model::kVocabulary] = vocabulary;
  metadata[whole_model::kSentence] =
      to_json(SentencePooling{shape.pooling, shape.unit_length, text.longest});
  const NameTable names{.rules = bert_rules()};
  NoGrad no_grad;
  std::vector<Tensor> kept;
  std::map<std::string, StoredTensor> stored;
  for (const auto& item : nn::tensors(model)) {
    if (!item.name.starts_with("text.")) continue;
    const auto theirs = names.find(item.name, "").theirs;
    const Tensor whole =
        on_host(item.floats().detach()).to(bf16 ? at::kBFloat16 : at::kFloat).contiguous();
    const auto parts = whole.chunk(int64_t(theirs.size()));  // query, key and value are equal
    for (size_t i = 0; i < theirs.size(); ++i) {
      kept.push_back(parts[i].contiguous());
      stored[theirs[i]] = to_stored(kept.back());
    }
  }
  write_safetensors(path, stored, metadata);
}

}  // namespace patina

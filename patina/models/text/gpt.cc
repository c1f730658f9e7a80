// GPT-2 (Radford et al., 2019): a pre-norm decoder with learned positions, its matrices stored
// [in,out].
#include "patina/models/family.h"
#include "patina/models/text/language_model.h"

namespace patina {

namespace {

NameTable gpt2_names() {
  return {.prefix = "transformer.",
          .rules = {{"text.embed", {"@wte"}},
                    {"text.position", {"@wpe"}},
                    {"text.blocks.{}.norm1", {"@h.{}.ln_1"}},
                    {"text.blocks.{}.attn.qkv", {"@h.{}.attn.c_attn"}, /*transposed=*/true},
                    {"text.blocks.{}.attn.proj", {"@h.{}.attn.c_proj"}, /*transposed=*/true},
                    {"text.blocks.{}.norm2", {"@h.{}.ln_2"}},
                    {"text.blocks.{}.mlp.fc1", {"@h.{}.mlp.c_fc"}, /*transposed=*/true},
                    {"text.blocks.{}.mlp.fc2", {"@h.{}.mlp.c_proj"}, /*transposed=*/true},
                    {"text.norm", {"@ln_f"}},
                    {"word_head.decoder", {"lm_head"}},
                    {"classifier", {"score"}}},
          .unneeded = {"@h.*.attn.bias", "@h.*.attn.masked_bias", "lm_head.weight"}};
}

}  // namespace

std::unique_ptr<Backbone> open_gpt2(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  LanguageShape shape{.family = "gpt2", .pooling = Pooling::last, .words = true};
  const int64_t width = config.size("n_embd", 768);
  shape.text.block = {.width = width,
                      .heads = config.size("n_head", 12),
                      .hidden = config.size("n_inner", 4 * width),
                      .activation = config.activation("activation_function", "gelu_new"),
                      .eps = config.number("layer_norm_epsilon", 1e-5)};
  shape.text.depth = config.size("n_layer", 12);
  shape.text.vocabulary = config.size("vocab_size", 50257);
  shape.text.positions = config.size("n_positions", 1024);
  shape.text.longest = shape.text.positions;
  shape.text.causal = true;
  shape.word_head.tied = config.flag("tie_word_embeddings", true);
  shape.classes = checkpoint.rows("score.weight");
  shape.class_bias = false;
  config.must_be("scale_attn_weights", true);
  config.must_be("scale_attn_by_inverse_layer_idx", false);
  config.must_be("add_cross_attention", false);
  config.skip({"n_ctx", "resid_pdrop", "embd_pdrop", "attn_pdrop", "reorder_and_upcast_attn",
               "summary_activation", "summary_first_dropout", "summary_proj_to_labels",
               "summary_type", "summary_use_proj"});
  config.finish();
  return open_language_model(checkpoint, shape, gpt2_names(),
                             {.depth = "n_layer", .heads = "n_head", .hidden = "n_inner"});
}

}  // namespace patina

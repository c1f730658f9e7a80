// SigLIP in Hugging Face's folders (Zhai et al., ICCV 2023; the second version of a fixed size is
// stored the same).
#include "patina/base/error.h"
#include "patina/models/two_tower/clip_checkpoint.h"
#include "patina/models/vision/preprocessing.h"

namespace patina {

void add_siglip_image(NameTable& names, const std::string& theirs) {
  const std::string embeddings = theirs + ".embeddings.", pool = theirs + ".head.";
  names.rules.insert(names.rules.end(),
                     {{"image.pos_embed", {embeddings + "position_embedding.weight"}},
                      {"image.patch_embed.proj", {embeddings + "patch_embedding"}},
                      {"image.norm", {theirs + ".post_layernorm"}},
                      {"image.attn_pool.latent", {pool + "probe"}},
                      {"image.attn_pool.qkv.weight", {pool + "attention.in_proj_weight"}},
                      {"image.attn_pool.qkv.bias", {pool + "attention.in_proj_bias"}},
                      {"image.attn_pool.proj", {pool + "attention.out_proj"}},
                      {"image.attn_pool.norm", {pool + "layernorm"}},
                      {"image.attn_pool.mlp", {pool + "mlp"}}});
  names.unneeded.emplace_back("*.position_ids");
  add_hugging_face_blocks(names, "image", theirs);
}

namespace {

NameTable names_of() {
  const std::string reader = "text_model.";
  NameTable names{.rules = {{"text.embed", {reader + "embeddings.token_embedding"}},
                            {"text.position", {reader + "embeddings.position_embedding"}},
                            {"text.norm", {reader + "final_layer_norm"}},
                            {"text_projection", {reader + "head"}}}};
  add_siglip_image(names, "vision_model");
  add_hugging_face_blocks(names, "text", "text_model");
  return names;
}

}  // namespace

std::unique_ptr<Backbone> open_siglip(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  ConfigJson image = config.part("vision_config"), text = config.part("text_config");
  ClipShape shape;
  image.must_be("vision_use_head", true);
  shape.image = siglip_image_shape(image);
  shape.text.block = {.width = text.size("hidden_size", 768),
                      .heads = text.size("num_attention_heads", 12),
                      .hidden = text.size("intermediate_size", 3072),
                      .activation = text.activation("hidden_act", "gelu_pytorch_tanh"),
                      .eps = text.number("layer_norm_eps", 1e-6)};
  shape.text.depth = text.size("num_hidden_layers", 12);
  shape.text.vocabulary = text.size("vocab_size", 32000);
  shape.text.positions = shape.text.longest = text.size("max_position_embeddings", 64);
  shape.pad = text.id("pad_token_id", 1);
  shape.embedding = text.size("projection_size", shape.text.block.width);
  text.skip({"attention_dropout", "tie_word_embeddings"});
  text.finish();
  config.skip({"tie_word_embeddings"});
  config.finish();
  if (shape.embedding != shape.image.width)
    fail(ErrorKind::model, "{}: texts have {} features and images {}; they must have as many",
         checkpoint.origin, shape.embedding, shape.image.width);
  if (shape.pad >= shape.text.vocabulary)
    fail(ErrorKind::model, "{}: pad_token_id = {} is beyond the vocabulary of {}",
         checkpoint.origin, shape.pad, shape.text.vocabulary);
  const Preprocessing images = preprocessing(checkpoint, "inception");
  shape.normalize = images.normalize;
  shape.interpolation = images.interpolation;
  shape.image_projection = false;
  shape.projection_bias = true;
  shape.last_token = true;
  shape.score_bias = true;
  shape.scale_row = true;
  return build_clip(checkpoint, shape, names_of());
}

}  // namespace patina

// SigLIP in Hugging Face's folders (Zhai et al., ICCV 2023; the second version of a fixed size is
// stored the same).
#include "patina/base/error.h"
#include "patina/models/two_tower/clip_checkpoint.h"
#include "patina/models/vision/preprocessing.h"

namespace patina {

namespace {

NameTable names_of() {
  const std::string eyes = "vision_model.", pool = "vision_model.head.", reader = "text_model.";
  NameTable names{.rules = {{"image.pos_embed", {eyes + "embeddings.position_embedding.weight"}},
                            {"image.patch_embed.proj", {eyes + "embeddings.patch_embedding"}},
                            {"image.norm", {eyes + "post_layernorm"}},
                            {"image.attn_pool.latent", {pool + "probe"}},
                            {"image.attn_pool.qkv.weight", {pool + "attention.in_proj_weight"}},
                            {"image.attn_pool.qkv.bias", {pool + "attention.in_proj_bias"}},
                            {"image.attn_pool.proj", {pool + "attention.out_proj"}},
                            {"image.attn_pool.norm", {pool + "layernorm"}},
                            {"image.attn_pool.mlp", {pool + "mlp"}},
                            {"text.embed", {reader + "embeddings.token_embedding"}},
                            {"text.position", {reader + "embeddings.position_embedding"}},
                            {"text.norm", {reader + "final_layer_norm"}},
                            {"text_projection", {reader + "head"}}},
                  .unneeded = {"*.position_ids"}};
  add_hugging_face_blocks(names, "image", "vision_model");
  add_hugging_face_blocks(names, "text", "text_model");
  return names;
}

// The part of a tower's config that both have.
template <class Shape>
void read_tower(ConfigJson& config, Shape& shape) {
  constexpr const char* kActivation = "gelu_pytorch_tanh";
  shape.width = config.size("hidden_size", 768);
  shape.heads = config.size("num_attention_heads", 12);
  shape.hidden = config.size("intermediate_size", 3072);
  shape.activation = config.activation("hidden_act", kActivation);
  shape.eps = config.number("layer_norm_eps", 1e-6);
}

}  // namespace

std::unique_ptr<Backbone> open_siglip(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  ConfigJson image = config.part("vision_config"), text = config.part("text_config");
  ClipShape shape;
  read_tower(image, shape.image);
  shape.image.depth = image.size("num_hidden_layers", 12);
  shape.image.image_size = image.side("image_size", 224);
  shape.image.patch_size = image.side("patch_size", 16);
  shape.image.class_token = false;
  shape.image.attention_pool = true;
  image.must_be("num_channels", 3);
  image.must_be("vision_use_head", true);
  read_tower(text, shape.text.block);
  shape.text.depth = text.size("num_hidden_layers", 12);
  shape.text.vocabulary = text.size("vocab_size", 32000);
  shape.text.positions = shape.text.longest = text.size("max_position_embeddings", 64);
  shape.pad = text.id("pad_token_id", 1);
  shape.embedding = text.size("projection_size", shape.text.block.width);
  for (ConfigJson* part : {&image, &text}) {
    part->skip({"attention_dropout", "tie_word_embeddings"});
    part->finish();
  }
  config.skip({"tie_word_embeddings"});
  config.finish();
  if (shape.embedding != shape.image.width)
    fail(ErrorKind::model, "{}: texts have {} features and images {}; they must have as many",
         checkpoint.origin, shape.embedding, shape.image.width);
  if (shape.pad >= shape.text.vocabulary)
    fail(ErrorKind::model, "{}: pad_token_id = {} is beyond the vocabulary of {}",
         checkpoint.origin, shape.pad, shape.text.vocabulary);
  if (shape.image.image_size % shape.image.patch_size != 0)
    // A convolution without padding leaves the rest of the image out, which patina does not.
    fail(ErrorKind::model, "{}: an image of {} px is not a multiple of the patch size {}",
         checkpoint.origin, shape.image.image_size, shape.image.patch_size);
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

// CLIP's two checkpoint formats: Hugging Face's with config.json, and OpenAI's, whose shape is
// derived from the tensors.
#include "patina/models/two_tower/clip_checkpoint.h"

#include <charconv>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/models/family.h"
#include "patina/models/stored_form.h"
#include "patina/models/vision/preprocessing.h"

namespace patina {

std::unique_ptr<Backbone> build_clip(const Checkpoint& checkpoint, const ClipShape& shape,
                                     const NameTable& names) {
  check_block(shape.image.block(), checkpoint.origin);
  check_block(shape.text.block, checkpoint.origin);
  check_size(checkpoint, block_weights(shape.image.block(), shape.image.depth) +
                             block_weights(shape.text.block, shape.text.depth) +
                             double(shape.text.block.width) * double(shape.text.vocabulary) +
                             double(shape.image.width) * double(shape.image.tokens()));
  auto model = std::make_unique<Clip>(shape);
  load_tensors(nn::tensors(*model), checkpoint.weights, checkpoint.origin, names);
  nn::freeze(*model);
  model->set_stored(std::make_shared<StoredForm>(
      StoredForm{.names = names, .prefix = prefix_in(checkpoint.weights, names)}));
  return model;
}

void add_hugging_face_blocks(NameTable& names, const std::string& ours, const std::string& theirs) {
  const std::string block = ours + ".blocks.{}.", layer = theirs + ".encoder.layers.{}.";
  const std::string attention = layer + "self_attn.";
  names.rules.insert(
      names.rules.end(),
      {{block + "norm1", {layer + "layer_norm1"}},
       {block + "attn.qkv", {attention + "q_proj", attention + "k_proj", attention + "v_proj"}},
       {block + "attn.proj", {attention + "out_proj"}},
       {block + "norm2", {layer + "layer_norm2"}},
       {block + "mlp", {layer + "mlp"}}});
}

void add_openai_blocks(NameTable& names, const std::string& ours, const std::string& theirs) {
  const std::string block = ours + ".blocks.{}.", layer = theirs + ".resblocks.{}.";
  names.rules.insert(names.rules.end(),
                     {{block + "norm1", {layer + "ln_1"}},
                      {block + "attn.qkv.weight", {layer + "attn.in_proj_weight"}},
                      {block + "attn.qkv.bias", {layer + "attn.in_proj_bias"}},
                      {block + "attn.proj", {layer + "attn.out_proj"}},
                      {block + "norm2", {layer + "ln_2"}},
                      {block + "mlp.fc1", {layer + "mlp.c_fc"}},
                      {block + "mlp.fc2", {layer + "mlp.c_proj"}}});
}

void add_clip_image(NameTable& names, const std::string& theirs) {
  const std::string embeddings = theirs + ".embeddings.";
  names.rules.insert(names.rules.end(),
                     {{"image.cls_token", {embeddings + "class_embedding"}},
                      {"image.pos_embed", {embeddings + "position_embedding.weight"}},
                      {"image.patch_embed.proj", {embeddings + "patch_embedding"}},
                      {"image.norm_pre", {theirs + ".pre_layrnorm"}},
                      {"image.norm", {theirs + ".post_layernorm"}}});
  names.unneeded.emplace_back("*.position_ids");
  add_hugging_face_blocks(names, "image", theirs);
}

namespace {

NameTable hugging_face_names() {
  NameTable names{.rules = {{"text.embed", {"text_model.embeddings.token_embedding"}},
                            {"text.position", {"text_model.embeddings.position_embedding"}},
                            {"text.norm", {"text_model.final_layer_norm"}},
                            {"image_projection", {"visual_projection"}}}};
  add_clip_image(names, "vision_model");
  add_hugging_face_blocks(names, "text", "text_model");
  return names;
}

NameTable openai_names() {
  NameTable names{.rules = {{"image.cls_token", {"visual.class_embedding"}},
                            {"image.pos_embed", {"visual.positional_embedding"}},
                            {"image.patch_embed.proj", {"visual.conv1"}},
                            {"image.norm_pre", {"visual.ln_pre"}},
                            {"image.norm", {"visual.ln_post"}},
                            {"text.embed", {"token_embedding"}},
                            {"text.position.weight", {"positional_embedding"}},
                            {"text.norm", {"ln_final"}},
                            {"image_projection.weight", {"visual.proj"}, /*transposed=*/true},
                            {"text_projection.weight", {"text_projection"}, /*transposed=*/true}},
                  .unneeded = {"input_resolution", "context_length", "vocab_size", "*attn_mask"}};
  add_openai_blocks(names, "image", "visual.transformer");
  add_openai_blocks(names, "text", "transformer");
  return names;
}

// The values that neither format stores.
ClipShape clip_shape() {
  ClipShape shape;
  shape.image = {
      .patch_bias = false, .pre_norm = true, .activation = nn::Activation::quick_gelu, .eps = 1e-5};
  shape.text.causal = true;
  shape.text.block = {.activation = nn::Activation::quick_gelu, .eps = 1e-5};
  return shape;
}

// What the configs of both image towers call alike; the shape has the defaults that differ.
ViTShape image_shape(ViTShape shape, ConfigJson& config, const char* activation) {
  shape.width = config.size("hidden_size", 768);
  shape.depth = config.size("num_hidden_layers", 12);
  shape.heads = config.size("num_attention_heads", 12);
  shape.hidden = config.size("intermediate_size", 3072);
  shape.activation = config.activation("hidden_act", activation);
  shape.eps = config.number("layer_norm_eps", shape.eps);
  config.must_be("num_channels", 3);
  config.finish();
  // A convolution without padding leaves the rest of the image out, which patina does not.
  if (shape.image_size % shape.patch_size != 0)
    fail(ErrorKind::model, "{}: an image of {} px is not a multiple of the patch size {}",
         config.origin(), shape.image_size, shape.patch_size);
  return shape;
}

}  // namespace

ViTShape clip_image_shape(ConfigJson& config) {
  ViTShape shape = clip_shape().image;
  shape.image_size = config.size("image_size", 224);
  shape.patch_size = config.size("patch_size", 32);
  config.skip({"dropout", "attention_dropout", "projection_dim", "tie_word_embeddings"});
  return image_shape(shape, config, "quick_gelu");
}

ViTShape siglip_image_shape(ConfigJson& config) {
  ViTShape shape;
  shape.eps = 1e-6;
  shape.image_size = config.side("image_size", 224);
  shape.patch_size = config.side("patch_size", 16);
  shape.class_token = false;
  shape.attention_pool = config.flag("vision_use_head", true);
  config.skip({"attention_dropout", "tie_word_embeddings"});
  return image_shape(shape, config, "gelu_pytorch_tanh");
}

std::unique_ptr<Backbone> open_clip(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  ConfigJson image = config.part("vision_config"), text = config.part("text_config");
  ClipShape shape = clip_shape();
  shape.embedding = config.size("projection_dim", 512);
  shape.image = clip_image_shape(image);
  shape.text.vocabulary = text.size("vocab_size", 49408);
  shape.text.positions = shape.text.longest = text.size("max_position_embeddings", 77);
  shape.text.depth = text.size("num_hidden_layers", 12);
  shape.text.block.width = text.size("hidden_size", 512);
  shape.text.block.heads = text.size("num_attention_heads", 8);
  shape.text.block.hidden = text.size("intermediate_size", 2048);
  shape.text.block.activation = text.activation("hidden_act", "quick_gelu");
  shape.text.block.eps = text.number("layer_norm_eps", 1e-5);
  text.skip({"dropout", "attention_dropout", "projection_dim", "tie_word_embeddings"});
  text.finish();
  // The *_dict entries are older names of the same two objects.
  config.skip(
      {"logit_scale_init_value", "tie_word_embeddings", "text_config_dict", "vision_config_dict"});
  config.finish();
  const Preprocessing images = preprocessing(checkpoint, "clip");
  shape.normalize = images.normalize;
  shape.interpolation = images.interpolation;
  return build_clip(checkpoint, shape, hugging_face_names());
}

namespace {

// Derives OpenAI's shape from the tensors.
class OpenAiShape {
 public:
  explicit OpenAiShape(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

  int64_t size(const std::string& tensor, size_t dimension, size_t dimensions) const {
    const auto& file = checkpoint_.weights;
    if (!file.has(tensor))
      fail(ErrorKind::model, "{}: looks like OpenAI's CLIP, but there is no {}", checkpoint_.origin,
           tensor);
    const auto& shape = file.at(tensor).shape;
    if (shape.size() != dimensions || shape[dimension] < 1)
      fail(ErrorKind::model, "{}: {} has the shape {}, CLIP's has {} dimensions",
           checkpoint_.origin, tensor, shape_text(shape), dimensions);
    return shape[dimension];
  }

  int64_t depth(const std::string& tower) const {
    int64_t blocks = 0;
    const auto& file = checkpoint_.weights;
    while (file.has_under(fmt::format("{}.resblocks.{}.", tower, blocks))) ++blocks;
    return blocks;
  }

  int64_t heads(const char* key, int64_t width) const {
    int64_t heads = 0;
    const auto& metadata = checkpoint_.weights.metadata();
    if (const auto at = metadata.find(key); at != metadata.end())
      std::from_chars(at->second.data(), at->second.data() + at->second.size(), heads);
    if (heads == 0) heads = width / 64;
    if (heads < 1 || width % heads != 0)
      fail(ErrorKind::model, "{}: {} heads do not divide the width {}", checkpoint_.origin, heads,
           width);
    return heads;
  }

 private:
  const Checkpoint& checkpoint_;
};

}  // namespace

std::unique_ptr<Backbone> open_openai_clip(Checkpoint& checkpoint) {
  const OpenAiShape read(checkpoint);
  ClipShape shape = clip_shape();
  auto& image = shape.image;
  image.width = read.size("visual.conv1.weight", 0, 4);
  image.patch_size = read.size("visual.conv1.weight", 2, 4);
  const int64_t rows = read.size("visual.positional_embedding", 0, 2);
  int64_t grid = 1;
  while (grid * grid + 1 < rows && grid < 4096) ++grid;
  image.image_size = grid * image.patch_size;
  image.depth = read.depth("visual.transformer");
  image.heads = read.heads("vision_heads", image.width);
  image.hidden = read.size("visual.transformer.resblocks.0.mlp.c_fc.weight", 0, 2);
  shape.embedding = read.size("text_projection", 1, 2);
  auto& text = shape.text;
  text.vocabulary = read.size("token_embedding.weight", 0, 2);
  text.positions = text.longest = read.size("positional_embedding", 0, 2);
  text.depth = read.depth("transformer");
  text.block.width = read.size("token_embedding.weight", 1, 2);
  text.block.heads = read.heads("text_heads", text.block.width);
  text.block.hidden = read.size("transformer.resblocks.0.mlp.c_fc.weight", 0, 2);
  return build_clip(checkpoint, shape, openai_names());
}

}  // namespace patina

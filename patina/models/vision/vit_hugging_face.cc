// ViTs in Hugging Face's folders: ViT, DeiT, DINOv2 (with registers, too) and DINOv3 differ in
// names and in the parts that config.json tells.
#include <algorithm>
#include <cmath>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/models/family.h"
#include "patina/models/stored_form.h"
#include "patina/models/vision/preprocessing.h"
#include "patina/models/vision/vit.h"

namespace patina {

namespace {

// Names before and after the blocks that all families share, and those of BERT's attention.
NameTable names_of(const std::string& prefix, const std::string& layer) {
  const std::string embeddings = "@embeddings.", attention = layer + "attention.attention.";
  NameTable names{.prefix = prefix,
                  .rules = {{"cls_token", {embeddings + "cls_token"}},
                            {"dist_token", {embeddings + "distillation_token"}},
                            {"reg_token", {embeddings + "register_tokens"}},
                            {"pos_embed", {embeddings + "position_embeddings"}},
                            {"patch_embed.proj", {embeddings + "patch_embeddings.projection"}},
                            {"blocks.{}.attn.qkv",
                             {attention + "query", attention + "key", attention + "value"}},
                            {"blocks.{}.attn.proj", {layer + "attention.output.dense"}},
                            {"norm", {"@layernorm"}},
                            {"head", {"classifier"}}},
                  .unneeded = {"*mask_token", "@pooler.*"}};
  return names;
}

NameTable vit_names(const std::string& prefix) {
  const std::string layer = "@encoder.layer.{}.";
  NameTable names = names_of(prefix, layer);
  names.rules.insert(names.rules.end(), {{"blocks.{}.norm1", {layer + "layernorm_before"}},
                                         {"blocks.{}.norm2", {layer + "layernorm_after"}},
                                         {"blocks.{}.mlp.fc1", {layer + "intermediate.dense"}},
                                         {"blocks.{}.mlp.fc2", {layer + "output.dense"}}});
  return names;
}

NameTable dinov2_names(const std::string& prefix, bool gated) {
  const std::string layer = "@encoder.layer.{}.";
  NameTable names = names_of(prefix, layer);
  names.rules.insert(names.rules.end(),
                     {{"blocks.{}.norm1", {layer + "norm1"}},
                      {"blocks.{}.norm2", {layer + "norm2"}},
                      {"blocks.{}.ls1.gamma", {layer + "layer_scale1.lambda1"}},
                      {"blocks.{}.ls2.gamma", {layer + "layer_scale2.lambda1"}},
                      {"blocks.{}.mlp.fc1", {layer + (gated ? "mlp.weights_in" : "mlp.fc1")}},
                      {"blocks.{}.mlp.fc2", {layer + (gated ? "mlp.weights_out" : "mlp.fc2")}}});
  return names;
}

NameTable dinov3_names(bool gated) {
  const std::string layer = "@layer.{}.", attention = layer + "attention.", mlp = layer + "mlp.";
  std::vector<std::string> fc1 = {mlp + "up_proj"};
  if (gated) fc1.insert(fc1.begin(), mlp + "gate_proj");
  return {.prefix = "model.",
          .rules = {{"cls_token", {"embeddings.cls_token"}},
                    {"reg_token", {"embeddings.register_tokens"}},
                    {"patch_embed.proj", {"embeddings.patch_embeddings"}},
                    {"blocks.{}.norm1", {layer + "norm1"}},
                    {"blocks.{}.norm2", {layer + "norm2"}},
                    {"blocks.{}.ls1.gamma", {layer + "layer_scale1.lambda1"}},
                    {"blocks.{}.ls2.gamma", {layer + "layer_scale2.lambda1"}},
                    {"blocks.{}.attn.qkv",
                     {attention + "q_proj", attention + "k_proj", attention + "v_proj"}},
                    {"blocks.{}.attn.proj", {attention + "o_proj"}},
                    {"blocks.{}.mlp.fc1", fc1},
                    {"blocks.{}.mlp.fc2", {mlp + "down_proj"}},
                    {"norm", {"norm"}}},
          .unneeded = {"*mask_token", "*rope_embeddings.*"}};
}

// What these configs have in common; other values do not change features.
ViTShape read_shape(ConfigJson& config, int64_t patch, double eps) {
  ViTShape shape;
  shape.image_size = config.side("image_size", 224);
  shape.patch_size = config.side("patch_size", patch);
  shape.width = config.size("hidden_size", 768);
  shape.depth = config.size("num_hidden_layers", 12);
  shape.heads = config.size("num_attention_heads", 12);
  shape.activation = config.activation("hidden_act", "gelu");
  shape.eps = config.number("layer_norm_eps", eps);
  config.must_be("num_channels", 3);
  config.skip({"hidden_dropout_prob", "attention_probs_dropout_prob", "attention_dropout",
               "drop_path_rate", "layerscale_value", "encoder_stride", "pooler_output_size",
               "pooler_act", "apply_layernorm", "reshape_hidden_states", "use_mask_token",
               "stage_names", "out_features", "out_indices", "_out_features", "_out_indices",
               "pos_embed_shift", "pos_embed_jitter", "pos_embed_rescale"});
  return shape;
}

std::unique_ptr<Backbone> build(const Checkpoint& checkpoint, ViTShape shape,
                                const NameTable& names, const SafetensorsFile& weights) {
  const std::string& origin = checkpoint.origin;
  // Positions of a network that was saved after a resize are not those of config.json's size.
  const auto stored = names.find("pos_embed", prefix_in(weights, names)).theirs.front();
  if (shape.positions && weights.has(stored) && weights.at(stored).shape.size() == 3) {
    const int64_t patches = weights.at(stored).shape[1] - shape.placed();
    const auto grid = std::llround(std::sqrt(double(std::max<int64_t>(0, patches))));
    if (grid > 0 && grid * grid == patches) shape.image_size = grid * shape.patch_size;
  }
  check_block(shape.block(), origin);
  if (shape.image_size % shape.patch_size != 0) {
    // DINOv3 turns by the patches that fit.
    if (shape.positions)
      fail(ErrorKind::model, "{}: an image of {} px is not a multiple of the patch size {}", origin,
           shape.image_size, shape.patch_size);
    shape.image_size -= shape.image_size % shape.patch_size;
  }
  if (shape.rotary.theta > 0 && shape.block().size() % 4 != 0)
    fail(ErrorKind::model, "{}: rotary positions on a grid need heads of a multiple of 4, not {}",
         origin, shape.block().size());
  check_size(checkpoint,
             block_weights(shape.block(), shape.depth) +
                 double(shape.width) * (3.0 * double(shape.patch_size * shape.patch_size) +
                                        double(shape.tokens()) + double(shape.classes)));
  const Preprocessing images = preprocessing(checkpoint, "");
  auto vit = std::make_unique<ViT>(shape, images.normalize, images.interpolation);
  load_tensors(nn::tensors(*vit), weights, origin, names);
  nn::freeze(*vit);
  vit->set_stored(std::make_shared<StoredForm>(
      StoredForm{.names = names,
                 .prefix = prefix_in(weights, names),
                 .head = shape.classes > 0 || names.prefix == "vit." ? "classifier" : "",
                 .head_bias = true,
                 .batched = true}));
  return vit;
}

}  // namespace

std::unique_ptr<Backbone> open_hf_vit(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  ViTShape shape = read_shape(config, 16, 1e-12);
  shape.hidden = config.size("intermediate_size", 3072);
  shape.qkv_bias = config.flag("qkv_bias", true);
  shape.classes = checkpoint.rows("classifier.weight");
  config.finish();
  return build(checkpoint, shape, vit_names("vit."), checkpoint.weights);
}

std::unique_ptr<Backbone> open_deit(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  ViTShape shape = read_shape(config, 16, 1e-12);
  shape.hidden = config.size("intermediate_size", 3072);
  shape.qkv_bias = config.flag("qkv_bias", true);
  shape.distilled = true;
  // A classifier reads the class token alone; two, one token each.
  shape.classes = checkpoint.rows("classifier.weight");
  shape.class_only = shape.classes > 0;
  config.finish();
  return build(checkpoint, shape, vit_names("deit."), checkpoint.weights);
}

std::unique_ptr<Backbone> open_dinov2(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  const bool registers = config.word("model_type", "") == "dinov2_with_registers";
  ViTShape shape = read_shape(config, registers ? 16 : 14, 1e-6);
  shape.hidden = shape.width * config.size("mlp_ratio", 4);
  shape.gated = config.flag("use_swiglu_ffn", false);
  // SwiGLU has two thirds of the units, rounded up to a multiple of 8.
  if (shape.gated) {
    shape.hidden = (shape.hidden * 2 / 3 + 7) / 8 * 8;
    shape.activation = nn::Activation::silu;
  }
  shape.qkv_bias = config.flag("qkv_bias", true);
  shape.layer_scale = true;
  if (registers) {
    shape.registers = config.count("num_register_tokens", 4);
    shape.placed_tokens = 1;
    shape.antialias = true;
  }
  config.finish();
  const char* prefix = registers ? "dinov2_with_registers." : "dinov2.";
  return build(checkpoint, shape, dinov2_names(prefix, shape.gated), checkpoint.weights);
}

namespace {

// Keys have no bias where queries and values have one, and the other way round: zeros are the same.
SafetensorsFile with_biases(const Checkpoint& checkpoint, int64_t depth, int64_t width,
                            const std::vector<std::string>& missing) {
  const auto zeros = std::make_shared<std::vector<float>>(size_t(width), 0.0f);
  const StoredTensor bias{
      DType::f32,
      {width},
      {reinterpret_cast<const uint8_t*>(zeros->data()), zeros->size() * sizeof(float)}};
  const std::string prefix = checkpoint.weights.has_under("model.layer.") ? "model." : "";
  std::map<std::string, StoredTensor> added;
  for (int64_t layer = 0; layer < depth; ++layer)
    for (const auto& projection : missing)
      added[fmt::format("{}layer.{}.attention.{}.bias", prefix, layer, projection)] = bias;
  return checkpoint.weights.with(added, zeros);
}

}  // namespace

std::unique_ptr<Backbone> open_dinov3(Checkpoint& checkpoint) {
  ConfigJson& config = *checkpoint.config;
  ViTShape shape = read_shape(config, 16, 1e-5);
  shape.hidden = config.size("intermediate_size", 1536);
  shape.positions = false;
  shape.layer_scale = true;
  shape.registers = config.count("num_register_tokens", 0);
  shape.gated = config.flag("use_gated_mlp", false);
  shape.rotary = {.theta = config.number("rope_theta", 100)};
  for (const char* bias : {"proj_bias", "mlp_bias"}) config.must_be(bias, true);
  std::vector<std::string> missing;
  const std::pair<const char*, const char*> biases[] = {
      {"query_bias", "q_proj"}, {"key_bias", "k_proj"}, {"value_bias", "v_proj"}};
  for (const auto& [key, projection] : biases)
    if (!config.flag(key, std::string_view(key) != "key_bias")) missing.emplace_back(projection);
  shape.qkv_bias = missing.size() < 3;
  config.finish();
  const auto weights = shape.qkv_bias && !missing.empty()
                           ? with_biases(checkpoint, shape.depth, shape.width, missing)
                           : checkpoint.weights;
  return build(checkpoint, shape, dinov3_names(shape.gated), weights);
}

}  // namespace patina

// ViT checkpoints: timm's names. The shape is derived from the tensors; heads and normalisation
// come from the file's metadata or from the config.json that timm writes beside it.
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "patina/base/error.h"
#include "patina/base/work.h"
#include "patina/checkpoint/load.h"
#include "patina/image/transform.h"
#include "patina/models/catalog.h"
#include "patina/models/stored_form.h"

namespace patina {

namespace {

// A small positive number from the metadata, or 0.
int64_t metadata_number(const SafetensorsFile& file, const char* key) {
  const auto at = file.metadata().find(key);
  if (at == file.metadata().end()) return 0;
  int64_t value = 0;
  const auto& text = at->second;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  return end.ec == std::errc() && value > 0 && value <= 1 << 20 ? value : 0;
}

std::vector<int64_t> need(const SafetensorsFile& file, const std::string& tensor, size_t dims,
                          const std::string& origin) {
  if (!file.has(tensor))
    fail(ErrorKind::model, "{}: not a ViT with timm's names: there is no {}", origin, tensor);
  const auto& shape = file.at(tensor).shape;
  if (shape.size() != dims || std::count(shape.begin(), shape.end(), 0) > 0)
    fail(ErrorKind::model, "{}: {} has the shape {}, a ViT's has {} dimensions", origin, tensor,
         shape_text(shape), dims);
  return shape;
}

// Widths at which published ViTs do not have one head per 64 channels; `word` is in timm's name.
struct OtherHeads {
  int64_t width, heads;
  const char *word, *called;
};
constexpr OtherHeads kOtherHeads[] = {{1152, 16, "so400m", "SoViT-400m"},
                                      {1280, 16, "huge", "ViT-H"},
                                      {1408, 16, "giant", "ViT-g"},
                                      {1664, 16, "gigantic", "ViT-G"}};

// Parts of timm's ViTs that change the forward pass and that patina does not have.
void check_parts(const SafetensorsFile& file, const std::string& origin) {
  static const std::pair<const char*, const char*> parts[] = {
      {"dist_token", "a distilled ViT, with a second class token"},
      {"reg_token", "a ViT with register tokens"},
      {"register_tokens", "a ViT with register tokens"},
      {"attn_pool.latent", "a ViT that pools by attention"}};
  for (const auto& [tensor, what] : parts)
    if (file.has(tensor))
      fail(ErrorKind::model, "{}: {} ({}) is not supported; use the model's variant without",
           origin, what, tensor);
}

// timm's config.json; one of another library tells nothing.
ViTFacts timm_facts(ConfigJson config, const SafetensorsFile& file) {
  const std::string architecture = config.word("architecture", "");
  if (architecture.empty()) return {};
  ViTFacts told;
  ConfigJson arguments = config.part("model_args");
  if (arguments.has("num_heads")) told.heads = arguments.size("num_heads");
  const auto& patch = file.at("patch_embed.proj.weight").shape;
  for (const auto& row : kOtherHeads)
    if (told.heads == 0 && !patch.empty() && patch[0] == row.width &&
        architecture.find(row.word) != std::string::npos)
      told.heads = row.heads;
  const std::string pool = config.word("global_pool", "token");
  if (pool != "token" && !file.has("fc_norm.weight"))
    fail(ErrorKind::model, "{}: global_pool = \"{}\" without an fc_norm is not supported",
         config.origin(), pool);
  // Older versions of timm wrote the values beside the architecture.
  ConfigJson trained = config.has("pretrained_cfg") ? config.part("pretrained_cfg") : config;
  const auto mean = trained.numbers("mean"), deviation = trained.numbers("std");
  if (mean.empty() && deviation.empty()) return told;
  told.normalize = normalization_name(mean, deviation);
  if (told.normalize.empty())
    fail(ErrorKind::model,
         "{}: mean = [{}] and std = [{}] are not a normalisation that patina has: set "
         "model.normalize",
         trained.origin(), fmt::join(mean, ", "), fmt::join(deviation, ", "));
  return told;
}

ViTFacts told_by_file(const Checkpoint& checkpoint, const ViTFacts& asked) {
  const auto& metadata = checkpoint.weights.metadata();
  ViTFacts told{metadata_number(checkpoint.weights, "heads"), ""};
  if (const auto at = metadata.find("normalize"); at != metadata.end()) told.normalize = at->second;
  const bool complete =
      (asked.heads > 0 || told.heads > 0) && !(asked.normalize.empty() && told.normalize.empty());
  if (complete || !checkpoint.config) return told;
  const ViTFacts beside = timm_facts(*checkpoint.config, checkpoint.weights);
  if (told.heads == 0) told.heads = beside.heads;
  if (told.normalize.empty()) told.normalize = beside.normalize;
  return told;
}

}  // namespace

ViTShape vit_shape(const SafetensorsFile& file, const std::string& origin, int64_t heads) {
  ViTShape shape;
  check_parts(file, origin);
  const auto& patch = need(file, "patch_embed.proj.weight", 4, origin);
  const auto& positions = need(file, "pos_embed", 3, origin);
  shape.width = patch[0];
  shape.patch_size = patch[2];
  shape.hidden = need(file, "blocks.0.mlp.fc1.weight", 2, origin)[0];
  shape.class_token = file.has("cls_token");
  shape.qkv_bias = file.has("blocks.0.attn.qkv.bias");
  shape.layer_scale = file.has("blocks.0.ls1.gamma");
  shape.pooled_norm = file.has("fc_norm.weight");
  shape.final_norm = file.has("norm.weight");
  shape.classes = file.has("head.weight") ? need(file, "head.weight", 2, origin)[0] : 0;
  shape.depth = 0;
  while (file.has_under(fmt::format("blocks.{}.", shape.depth))) ++shape.depth;
  if (!shape.class_token && !shape.pooled_norm)
    fail(ErrorKind::model, "{}: a ViT without cls_token needs fc_norm to pool its patches", origin);

  const int64_t grid = std::llround(std::sqrt(double(positions[1] - shape.class_token)));
  if (grid < 1 || grid * grid + shape.class_token != positions[1] || patch[2] != patch[3])
    fail(ErrorKind::model, "{}: pos_embed {} is not that of a square image", origin,
         shape_text(positions));
  shape.image_size = grid * shape.patch_size;

  shape.heads = heads;
  if (shape.heads == 0) {
    for (const auto& row : kOtherHeads)
      if (shape.width == row.width)
        fail(ErrorKind::model,
             "{}: the file does not tell its number of heads, and {} of this width {} has {}, not "
             "one per 64 channels: set model.heads (--heads)",
             origin, row.called, row.width, row.heads);
    shape.heads = shape.width / 64;
  }
  if (shape.heads <= 0 || shape.width % shape.heads != 0)
    fail(ErrorKind::model, "{}: {} heads do not divide the width {}: set model.heads", origin,
         shape.heads, shape.width);
  return shape;
}

std::unique_ptr<ViT> open_vit(const Checkpoint& checkpoint, const ViTFacts& asked,
                              const ViTFacts& usual) {
  const ViTFacts told = told_by_file(checkpoint, asked);
  const auto heads = [&] {
    for (const ViTFacts* facts : {&asked, &told, &usual})
      if (facts->heads > 0) return facts->heads;
    return int64_t{0};
  };
  const ViTShape shape = vit_shape(checkpoint.weights, checkpoint.origin, heads());
  check_size(checkpoint,
             block_weights(shape.block(), shape.depth) +
                 double(shape.width) * (3.0 * double(shape.patch_size * shape.patch_size) +
                                        double(shape.tokens()) + double(shape.classes)));
  std::string normalize;
  for (const ViTFacts* facts : {&asked, &told, &usual})
    if (normalize.empty()) normalize = facts->normalize;
  if (normalize.empty()) {
    normalize = "imagenet";
    warn(
        fmt::format("{}: nothing tells how its pixels were normalised; ImageNet's mean and "
                    "deviation are assumed (model.normalize)",
                    checkpoint.origin));
  }
  with_context(checkpoint.origin, [&] { normalization(normalize); });
  auto vit = std::make_unique<ViT>(shape, normalize);
  // Only pre-training reads these: DINOv2's and iBOT's mask, and the decoder of MAE.
  load_tensors(nn::tensors(*vit), checkpoint.weights, checkpoint.origin,
               {.unneeded = {"mask_token", "masked_embed", "decoder_*"}});
  nn::freeze(*vit);
  vit->set_stored(std::make_shared<StoredForm>(StoredForm{.head = "head", .head_bias = true}));
  return vit;
}

void save_vit(ViT& vit, const fs::path& path, bool bf16,
              std::map<std::string, std::string> metadata) {
  const ViTShape& shape = vit.shape();
  metadata["image_size"] = std::to_string(shape.image_size);
  metadata["patch_size"] = std::to_string(shape.patch_size);
  metadata["heads"] = std::to_string(shape.heads);
  metadata["normalize"] = vit.image_input()->normalize;
  NoGrad no_grad;
  std::vector<Tensor> kept;
  std::map<std::string, StoredTensor> stored;
  for (const auto& item : nn::tensors(vit)) {
    kept.push_back(
        on_host(item.tensor.detach()).to(bf16 ? at::kBFloat16 : at::kFloat).contiguous());
    stored[item.name] = to_stored(kept.back());
  }
  write_safetensors(path, stored, metadata);
}

}  // namespace patina

// ViT checkpoints: timm's names; the shape is derived from the tensors and the metadata.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/models/catalog.h"

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

}  // namespace

ViTShape vit_shape(const SafetensorsFile& file, const std::string& origin, int64_t heads) {
  ViTShape shape;
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

  shape.heads = heads > 0 ? heads : metadata_number(file, "heads");
  if (shape.heads == 0) shape.heads = shape.width / 64;
  if (shape.heads <= 0 || shape.width % shape.heads != 0)
    fail(ErrorKind::model, "{}: {} heads do not divide the width {}: set model.heads", origin,
         shape.heads, shape.width);
  return shape;
}

std::unique_ptr<ViT> open_vit(const Checkpoint& checkpoint, int64_t heads,
                              const std::string& normalize) {
  const ViTShape shape = vit_shape(checkpoint.weights, checkpoint.origin, heads);
  check_size(checkpoint,
             block_weights(shape.block(), shape.depth) +
                 double(shape.width) * (3.0 * double(shape.patch_size * shape.patch_size) +
                                        double(shape.tokens()) + double(shape.classes)));
  auto vit = std::make_unique<ViT>(shape, normalize);
  load_tensors(nn::tensors(*vit), checkpoint.weights, checkpoint.origin);
  nn::freeze(*vit);
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

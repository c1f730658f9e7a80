#include "patina/models/model.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/image/transform.h"

extern "C" {
extern const unsigned char patina_starter[];
extern const unsigned char patina_starter_end[];
}

namespace patina {

void ModelOptions::bind(Fields& f) {
  f("name", name, "A name of `patina list models`, or a .safetensors file or a folder with one.");
  f("path", path, "The weights of a named model that patina does not carry.");
  f("image_size", image_size, "Side of the input in pixels; 0: the size it was trained at.",
    at_least(0));
  f("heads", heads, "Attention heads; 0: from the file, else one per 64 channels.", at_least(0));
  std::vector<std::string> choices = normalization_names();
  choices.insert(choices.begin(), "");
  f("normalize", normalize, "Pixel normalisation; empty: the model's own.", choices);
}

const std::vector<ModelInfo>& model_list() {
  const auto vit = [](int64_t size, int64_t patch, int64_t width, int64_t depth, int64_t heads,
                      int64_t classes) {
    return ViTShape{.image_size = size,
                    .patch_size = patch,
                    .width = width,
                    .depth = depth,
                    .heads = heads,
                    .hidden = 4 * width,
                    .classes = classes};
  };
  const std::string timm = "export it with timm and safetensors, then set model.path";
  static const std::vector<ModelInfo> list = {
      {"starter", "ViT 6x192 for 32 px, trained on a part of Tiny-ImageNet; see models/README.md",
       "inside the program", vit(32, 4, 192, 6, 3, 200), "imagenet"},
      {"deit_tiny_patch16_224", "DeiT-Tiny, ImageNet-1k (Touvron et al., ICML 2021)", timm,
       vit(224, 16, 192, 12, 3, 1000), "imagenet"},
      {"deit_small_patch16_224", "DeiT-Small, ImageNet-1k (Touvron et al., ICML 2021)", timm,
       vit(224, 16, 384, 12, 6, 1000), "imagenet"},
      {"vit_tiny_patch16_224", "ViT-Tiny, AugReg, ImageNet-1k (Steiner et al., TMLR 2022)", timm,
       vit(224, 16, 192, 12, 3, 1000), "inception"},
      {"vit_small_patch16_224", "ViT-Small, AugReg, ImageNet-1k (Steiner et al., TMLR 2022)", timm,
       vit(224, 16, 384, 12, 6, 1000), "inception"},
      {"vit_base_patch16_224", "ViT-B/16, AugReg, ImageNet-1k: \"IN1K\" in the field's tables",
       timm, vit(224, 16, 768, 12, 12, 1000), "inception"},
      {"vit_base_patch16_224_in21k",
       "ViT-B/16, AugReg, ImageNet-21k: \"IN21K\" in the field's tables", timm,
       vit(224, 16, 768, 12, 12, 21843), "inception"},
  };
  return list;
}

SafetensorsFile starter_weights() {
  return SafetensorsFile::parse({patina_starter, size_t(patina_starter_end - patina_starter)},
                                "the starter weights");
}

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

const std::vector<int64_t>& need(const SafetensorsFile& file, const std::string& tensor,
                                 size_t dims, const std::string& origin) {
  if (!file.has(tensor))
    fail(ErrorKind::model, "{}: not a ViT with timm's names: there is no {}", origin, tensor);
  const auto& shape = file.at(tensor).shape;
  if (shape.size() != dims || std::count(shape.begin(), shape.end(), 0) > 0)
    fail(ErrorKind::model, "{}: {} has the shape {}, a ViT's has {} dimensions", origin, tensor,
         shape_text(shape), dims);
  return shape;
}

// A network's memory is asked for before its weights are compared with the file's, so a file whose
// few tensors announce a giant must stop here.
void check_size(const SafetensorsFile& file, const ViTShape& shape, const std::string& origin) {
  const double width = double(shape.width);
  const double needed = width * (3.0 * double(shape.patch_size * shape.patch_size) +
                                 double(shape.tokens()) + double(shape.classes)) +
                        double(shape.depth) * width * (4 * width + 2 * double(shape.hidden));
  double held = 0;
  for (const auto& [name, stored] : file.tensors()) {
    double elements = 1;
    for (const int64_t size : stored.shape) elements *= double(size);
    held += elements;
  }
  if (needed > 2 * held + 1e6)
    fail(ErrorKind::model,
         "{}: a ViT of {} blocks and width {} has {:.3g} weights, the file holds {:.3g}: tensors "
         "are "
         "missing or of the wrong shape",
         origin, shape.depth, shape.width, needed, held);
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
  while (file.has(fmt::format("blocks.{}.norm1.weight", shape.depth))) ++shape.depth;
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
  check_size(file, shape, origin);
  return shape;
}

std::unique_ptr<Backbone> load_backbone(const ModelOptions& options) {
  std::string origin = options.name;
  std::string normalize = options.normalize;
  const ModelInfo* known = nullptr;
  std::vector<std::string> names;
  for (const auto& info : model_list()) {
    names.push_back(info.name);
    if (info.name == options.name) known = &info;
  }
  if (known && normalize.empty()) normalize = known->normalize;
  const auto file = [&] {
    if (options.name == "starter" && options.path.empty()) return starter_weights();
    if (known && options.path.empty())
      fail(ErrorKind::model, "{}: patina does not carry these weights: {}", known->name,
           known->how);
    origin = known ? options.path : options.name;
    if (!known && !fs::exists(origin))
      fail(ErrorKind::model, "{}: neither a file nor a known model{} (see `patina list models`)",
           options.name, did_you_mean(options.name, names));
    return SafetensorsFile::open(origin);
  }();
  if (const auto at = file.metadata().find("normalize");
      normalize.empty() && at != file.metadata().end())
    normalize = at->second;
  if (normalize.empty()) normalize = "imagenet";
  with_context(origin, [&] { normalization(normalize); });

  const int64_t heads = options.heads > 0 || !known ? options.heads : known->shape.heads;
  auto vit = std::make_unique<ViT>(vit_shape(file, origin, heads), normalize);
  load_tensors(nn::tensors(*vit), file, origin);
  nn::freeze(*vit);
  if (options.image_size > 0) with_context(origin, [&] { vit->resize_input(options.image_size); });
  return vit;
}

void save_vit(ViT& vit, const fs::path& path, bool bf16,
              std::map<std::string, std::string> metadata) {
  const ViTShape& shape = vit.shape();
  metadata["image_size"] = std::to_string(shape.image_size);
  metadata["patch_size"] = std::to_string(shape.patch_size);
  metadata["heads"] = std::to_string(shape.heads);
  metadata["normalize"] = vit.normalize();
  NoGrad no_grad;
  std::vector<Tensor> kept;
  std::map<std::string, StoredTensor> stored;
  for (const auto& item : nn::tensors(vit)) {
    kept.push_back(item.tensor.detach().to(bf16 ? at::kBFloat16 : at::kFloat).contiguous());
    stored[item.name] = to_stored(kept.back());
  }
  write_safetensors(path, stored, metadata);
}

}  // namespace patina

// Models by name or path: which network a weight file holds, and a loaded backbone of it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "patina/checkpoint/safetensors.h"
#include "patina/config/fields.h"
#include "patina/models/family.h"
#include "patina/models/vision/vit.h"

namespace patina {

struct ModelOptions {
  std::string name = "starter";  // a name of `patina list models`, or a model's file or folder
  std::string path;              // the weights of a named model that patina does not carry
  int64_t image_size = 0;        // 0: the size it was trained at
  int64_t heads = 0;             // 0: from the file's metadata, else one per 64 channels
  std::string normalize;         // "": the file's own, else imagenet
  std::vector<int64_t> hidden = {100, 100};  // units of an MLP's layers
  double dropout = 0, input_dropout = 0;     // of an MLP's hidden units, of its input
  int64_t seed = -1;                         // of a network that starts untrained; -1: the run's

  void bind(Fields& f);
};

/// One row of `patina list models`.
struct ModelInfo {
  std::string name;
  std::string about;
  std::string how;  // where the weights come from
  ViTShape shape;   // of a ViT
  std::string normalize;
  std::function<std::unique_ptr<Backbone>(const ModelOptions&)> untrained = {};  // makes it anew
};
const std::vector<ModelInfo>& model_list();

/// The weights that patina carries inside itself.
SafetensorsFile starter_weights();

/// Reads a ViT's shape from its tensors and metadata (image_size or img_size, patch_size, heads,
/// normalize). Throws Error(model) when the tensors are not those of a ViT.
ViTShape vit_shape(const SafetensorsFile& file, const std::string& origin, int64_t heads = 0);

/// A frozen ViT with timm's names. heads 0: from the file's metadata, else one per 64 channels.
std::unique_ptr<ViT> open_vit(const Checkpoint& checkpoint, int64_t heads,
                              const std::string& normalize);

/// True when the weights are a network's, not just tensors: a family's own names or a config.json
/// say so.
bool is_model(const std::string& name);

/// A backbone with frozen weights. Throws Error(model) when the name is unknown, the weights are
/// not here, or they do not fit.
std::unique_ptr<Backbone> load_backbone(const ModelOptions& options);

/// The same of a vision transformer; any other is refused.
std::unique_ptr<ViT> load_vit(const ModelOptions& options);

/// Writes a network so that open_model reads it back. Throws Error(model) for a family that only a
/// folder of files holds.
void save_model(Backbone& backbone, const fs::path& path, bool bf16);
/// A network from a file's bytes, frozen. Throws Error(model) when they do not hold one.
std::unique_ptr<Backbone> open_model(std::span<const uint8_t> bytes, const std::string& origin);

/// Writes a ViT with the metadata that reading it back needs.
void save_vit(ViT& vit, const fs::path& path, bool bf16,
              std::map<std::string, std::string> metadata = {});

}  // namespace patina

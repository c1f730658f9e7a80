// Models by name or path: detects the network in a weight file, and loads a backbone.
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
  std::string name = "starter";  // a name from `patina list models`, or a model's file or folder
  std::string path;              // the weights of a named model that is not built in
  int64_t image_size = 0;        // 0: the size it was trained at
  int64_t heads = 0;             // 0: from the file's metadata, otherwise one per 64 channels
  std::string normalize;         // "": from the file, otherwise imagenet
  std::vector<int64_t> hidden = {100, 100};  // units of an MLP's layers
  double dropout = 0, input_dropout = 0;     // dropout of an MLP's hidden units, and of its input
  int64_t seed = -1;                         // for networks with untrained weights; -1: the run's
                                             // seed

  void bind(Fields& f);
};

/// One row of `patina list models`.
struct ModelInfo {
  std::string name;
  std::string about;
  std::string how;  // how to get the weights
  ViTShape shape;   // for a ViT
  std::string normalize;
  std::function<std::unique_ptr<Backbone>(const ModelOptions&)> untrained = {};  // creates it
                                                                                 // untrained
};
const std::vector<ModelInfo>& model_list();

/// The built-in weights.
SafetensorsFile starter_weights();

/// Derives a ViT's shape from its tensors and metadata (image_size or img_size, patch_size, heads,
/// normalize). Throws Error(model) if the tensors are not those of a ViT.
ViTShape vit_shape(const SafetensorsFile& file, const std::string& origin, int64_t heads = 0);

/// A frozen ViT with timm's names. heads 0: from the file's metadata, otherwise one per 64
/// channels.
std::unique_ptr<ViT> open_vit(const Checkpoint& checkpoint, int64_t heads,
                              const std::string& normalize);

/// Whether a file holds a network and not just tensors: by a family's tensor names or a
/// config.json.
bool is_model(const std::string& name);

/// A backbone with frozen weights. Throws Error(model) if the name is unknown, the weights are
/// missing, or they do not fit.
std::unique_ptr<Backbone> load_backbone(const ModelOptions& options);

/// The same for a vision transformer; other networks are refused.
std::unique_ptr<ViT> load_vit(const ModelOptions& options);

/// Writes a network in a form that open_model can read. Throws Error(model) for a family that can
/// only be stored as a folder.
void save_model(Backbone& backbone, const fs::path& path, bool bf16);
/// A frozen network from a file's bytes. Throws Error(model) if they do not contain one.
std::unique_ptr<Backbone> open_model(std::span<const uint8_t> bytes, const std::string& origin);

/// Writes a ViT with the metadata needed to read it.
void save_vit(ViT& vit, const fs::path& path, bool bf16,
              std::map<std::string, std::string> metadata = {});

}  // namespace patina

// Models by name or path: detects the network in a weight file, and loads a backbone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "patina/checkpoint/name_table.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/config/fields.h"
#include "patina/models/family.h"
#include "patina/models/vision/vit.h"

namespace patina {

class LanguageModel;

struct ModelOptions {
  std::string name = "starter";  // a name from `patina list models`, or a model's file or folder
  std::string path;              // the weights of a named model that is not built in
  std::string part;              // of a PyTorch file with several models, the name of one
  std::string adapter;           // a folder of PEFT's with low-rank changes; "": none
  std::string form = "fp32";     // how layers hold their weights: fp32, bf16, stored
  int64_t image_size = 0;        // 0: the size it was trained at
  int64_t heads = 0;             // 0: the model's own
  std::string normalize;         // "": the model's own
  std::vector<int64_t> hidden = {100, 100};  // units of an MLP's layers
  double dropout = 0, input_dropout = 0;     // dropout of an MLP's hidden units, and of its input
  bool fused = false;  // of a CLIP: its features are of a question about an image
  int64_t seed = -1;   // for networks with untrained weights; -1: the run's
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

/// The weights of a model that is inside the program; nothing for other names.
std::optional<SafetensorsFile> built_in_weights(const std::string& name);

/// Derives a ViT's shape from its tensors; heads 0: one per 64 channels. Throws Error(model) if the
/// tensors are not those of a ViT that patina has, or if ViTs of its width are known with another
/// number of heads.
ViTShape vit_shape(const SafetensorsFile& file, const std::string& origin, int64_t heads = 0);

/// What a ViT's tensors do not tell; 0 and "": not told.
struct ViTFacts {
  int64_t heads = 0;
  std::string normalize;
  std::string interpolation = {};
  std::string activation = {};  // by ConfigJson's names
  std::string pool = {};        // timm's global_pool: "token", "avg", "map"
  double eps = 0;
  int64_t rotary_grid = -1;  // of EVA's rotary positions; 0: it has none; -1: not told

  /// The same, with what `other` tells and this does not.
  ViTFacts completed(const ViTFacts& other) const;
};
/// The same of a file whose names are behind a prefix, such as "visual.trunk.".
ViTShape vit_shape(const SafetensorsFile& file, const std::string& origin, const ViTFacts& facts);
/// timm's names of the parts that a file has.
NameTable timm_names(const SafetensorsFile& file);
/// The file with the zeros that timm's EVA does not store: the biases of keys.
SafetensorsFile with_key_biases(const SafetensorsFile& file);

/// A frozen ViT with timm's names. Heads and normalisation are those of `asked`, otherwise those
/// that the file tells (its metadata, or timm's config.json beside it), otherwise the `usual` ones;
/// without any, one head per 64 channels, and ImageNet's normalisation with a warning.
std::unique_ptr<ViT> open_vit(const Checkpoint& checkpoint, const ViTFacts& asked = {},
                              const ViTFacts& usual = {});

/// Whether a file holds a network and not just tensors: by a family's tensor names or a
/// config.json.
bool is_model(const std::string& name, const std::string& part = "");

/// A backbone with frozen weights. Throws Error(model) if the name is unknown, the weights are
/// missing, or they do not fit.
std::unique_ptr<Backbone> load_backbone(const ModelOptions& options);

/// The same for a vision transformer; other networks are refused.
std::unique_ptr<ViT> load_vit(const ModelOptions& options);

/// The same for a network of texts with one tower, such as BERT; others are refused.
std::unique_ptr<LanguageModel> load_language_model(const ModelOptions& options);

/// Writes a network in a form that open_model can read. Throws Error(model) for a family that can
/// only be stored as a folder.
void save_model(Backbone& backbone, const fs::path& path, bool bf16);
/// A frozen network from a file's bytes. Throws Error(model) if they do not contain one.
std::unique_ptr<Backbone> open_model(std::span<const uint8_t> bytes, const std::string& origin);

/// Writes a ViT with the metadata needed to read it.
void save_vit(ViT& vit, const fs::path& path, bool bf16,
              std::map<std::string, std::string> metadata = {});

}  // namespace patina

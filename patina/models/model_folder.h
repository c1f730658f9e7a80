// Networks written as their families store them: a folder that transformers or timm loads, or one
// file with everything that belongs to the network.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "patina/checkpoint/safetensors.h"
#include "patina/models/family.h"

namespace patina {

/// The network's tensors under the names of its family's checkpoints, on the host, with a floating
/// type. Throws Error(model) for a network that was not read from a checkpoint.
std::map<std::string, Tensor> stored_tensors(const Backbone& network, at::ScalarType type);

/// A classifier over the network's features f.
struct LinearClassifier {
  Tensor weight = {}, bias = {};          // [K,D], [K]; bias undefined: none
  std::vector<std::string> classes = {};  // names of the K classes
  Tensor projection = {};  // [D,M]: it reads relu(f P), and the weight is [K,M]; undefined: f
  bool cosine = false;     // scores are the cosines with the weight's rows
};

/// The types that weights are written in, by their names: "fp32", "bf16", "fp16". Throws
/// Error(usage) for others.
at::ScalarType weight_type(const std::string& name);

/// Writes model.safetensors, config.json and the tokenizer's files. A classifier is written as the
/// family's own head where that reads the same features (ViT's `head`; `score` of decoders, which
/// has no bias), with the classes' names in config.json, and always as head.safetensors and
/// classes.json. Returns the names of the files.
std::vector<std::string> write_model_folder(const Backbone& network,
                                            const std::filesystem::path& folder,
                                            at::ScalarType type,
                                            const LinearClassifier& classifier = {});

/// config.json's model_type; "" if there is none.
std::string model_type_of(const Backbone& network);

/// Whether the family's own head can hold the classifier.
bool fits_own_head(const Backbone& network, const LinearClassifier& classifier);

// One file: the tensors, and the files that belong to them as tensors of bytes.

/// The family of the checkpoint's tokenizer; "": its files tell.
std::string tokenizer_family(const Checkpoint& checkpoint);

/// Notes what belongs to the network besides its weights, for the day it is written.
void keep_files(Backbone& network, const Checkpoint& checkpoint,
                const std::filesystem::path& folder);
void save_with_files(const Backbone& network, const std::filesystem::path& path,
                     at::ScalarType type);
/// The files in such a file; empty if it is another.
std::map<std::string, std::string> files_within(const SafetensorsFile& weights);
/// Gives a network that was opened from such a file its files and its tokenizer.
void take_files(Backbone& network, const std::map<std::string, std::string>& files,
                const Checkpoint& checkpoint);

}  // namespace patina

// preprocessor_config.json of Hugging Face's: how a model's images are prepared.
#pragma once

#include <string>

#include "patina/models/family.h"

namespace patina {

struct Preprocessing {
  std::string normalize, interpolation = "bicubic";
  int64_t size = 0;  // side of the input in pixels; 0: not told
};

/// What the checkpoint's preprocessor_config.json says; `usual` is the normalisation of a family
/// whose folder has none, "": ImageNet's, with a warning. What is asked for comes first. Throws
/// Error(model) for mean and deviation, a filter, a size or a scale that patina does not have.
Preprocessing preprocessing(const Checkpoint& checkpoint, const std::string& usual);

}  // namespace patina

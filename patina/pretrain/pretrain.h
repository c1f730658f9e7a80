// Pre-training on images: how patina's starter weights are made. Supervised cross-entropy on a
// labelled set, and the features of a larger teacher when one is given.
#pragma once

#include <string>

#include "patina/data/catalog.h"
#include "patina/image/transform.h"
#include "patina/optim/optimizer.h"
#include "patina/pretrain/teacher.h"

namespace patina {

struct StudentOptions {
  int64_t image_size = 32;
  int64_t patch_size = 4;
  int64_t width = 192;
  int64_t depth = 6;
  int64_t heads = 3;
  std::string normalize = "inception";
  bool inherit = false;  // begin with the teacher's first blocks
  void bind(Fields& f);
};

struct PretrainTraining {
  int64_t epochs = 30;
  int64_t batch_size = 128;
  double label_smoothing = 0.1;
  double keep_tokens = 1;   // part of the patches a training step sees
  int64_t full_epochs = 0;  // last epochs, with every patch
  std::string precision = "fp32";
  std::string device = "auto";
  OptimizerOptions optimizer;
  void bind(Fields& f);
};

struct PretrainOptions {
  std::string kind = "images";
  std::string name = "pretrain";
  int64_t seed = 1993;
  DataOptions data;
  StudentOptions model;
  TeacherOptions teacher;  // used when teacher.name is set
  TransformOptions train_transform, test_transform;
  PretrainTraining training;

  PretrainOptions();
  void bind(Fields& f);
};

/// Trains, and writes into `folder`: recipe.toml, state.safetensors (after every epoch; what
/// `resume` continues from) and weights.safetensors (bf16). Returns the last test accuracy.
double pretrain(PretrainOptions& options, const fs::path& folder, bool resume);

}  // namespace patina

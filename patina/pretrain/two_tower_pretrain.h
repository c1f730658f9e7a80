// Pre-training of a small CLIP (Radford et al., ICML 2021): an image tower that a ViT begins, a
// small text tower, and captions made of class names. The text tower also learns to give the
// features of a sentence encoder, so that names that are no class have a place among those that
// are.
#pragma once

#include "patina/data/options.h"
#include "patina/image/transform.h"
#include "patina/models/two_tower/clip.h"
#include "patina/optim/optimizer.h"
#include "patina/pretrain/teacher.h"

namespace patina {

class LanguageModel;

struct TextTowerOptions {
  int64_t width = 192;
  int64_t depth = 2;
  int64_t heads = 3;
  int64_t positions = 32;
  void bind(Fields& f);
};

struct CaptionOptions {
  std::vector<std::string> templates = {"a photo of a {}.", "{}"};
  int64_t words = 3000;
  int64_t words_per_step = 64;
  void bind(Fields& f);
};

struct TwoTowerTraining {
  int64_t epochs = 10;
  int64_t batch_size = 128;
  bool image_tower = true;
  double keep_tokens = 1;
  int64_t full_epochs = 0;
  std::string device = "auto";
  OptimizerOptions optimizer;
  void bind(Fields& f);
};

struct TwoTowerPretrainOptions {
  std::string kind = "two_tower";
  std::string name = "two_tower_pretrain";
  int64_t seed = 1993;
  DataOptions data;
  ModelOptions image;
  TextTowerOptions text;
  TeacherOptions teacher;
  CaptionOptions captions;
  TransformOptions train_transform, test_transform;
  TwoTowerTraining training;

  TwoTowerPretrainOptions();
  void bind(Fields& f);
};

/// The ids of a vocabulary whose last one ends a text: CLIP reads a text at its largest id.
std::vector<int64_t> with_end_last(const Tokenizer& tokenizer);

/// The whole words of letters alone, of three and more, in the order of their ids.
std::vector<std::string> plain_words(const Tokenizer& tokenizer);

/// A CLIP with the image tower `vit` and a new text tower for the rows `words` of the teacher's
/// vocabulary. Its token embedding is the teacher's on its main directions; the common space has
/// the teacher's width.
std::unique_ptr<Clip> two_towers(ViT& vit, const LanguageModel& teacher,
                                 const std::vector<int64_t>& words, const TextTowerOptions& options,
                                 Random& random);

/// Trains, and writes into `folder`: recipe.toml, the teacher's features of all captions and, where
/// the image tower stays, its features of all images, state.safetensors (after every epoch; what
/// `resume` continues from) and weights.safetensors (bf16), a whole model. Returns the last test
/// accuracy by the names of the classes.
double pretrain(TwoTowerPretrainOptions& options, const fs::path& folder, bool resume);

}  // namespace patina

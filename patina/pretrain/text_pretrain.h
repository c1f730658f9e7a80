// Pre-training on texts: a small BERT, cut out of a sentence encoder, learns to give the features
// of that encoder again, and masked words (Devlin et al., NAACL 2019).
#pragma once

#include "patina/data/options.h"
#include "patina/models/text/language_model.h"
#include "patina/optim/optimizer.h"
#include "patina/pretrain/sentences.h"
#include "patina/pretrain/teacher.h"

namespace patina {

/// What a BERT of the teacher's width keeps of it.
struct TextStudentOptions {
  int64_t vocabulary = 8000;
  std::vector<int64_t> layers = {0, 5};
  int64_t hidden = 768;
  int64_t positions = 128;
  void bind(Fields& f);
};

struct TextTraining {
  int64_t epochs = 4;
  int64_t batch_size = 64;
  double similarity = 1;  // weight of the similarities between the texts of a batch
  double masked = 0.1;    // weight of the masked words
  int64_t masked_every = 4;
  std::string device = "auto";
  OptimizerOptions optimizer;
  void bind(Fields& f);
};

struct TextPretrainOptions {
  std::string kind = "text";
  std::string name = "text_pretrain";
  int64_t seed = 1993;
  DataOptions data;
  SentenceOptions sentences;
  TextStudentOptions model;
  TeacherOptions teacher;
  TextTraining training;

  TextPretrainOptions();
  void bind(Fields& f);
};

/// The ids of `size` tokens that the student keeps, in order: the special ones, the printable ASCII
/// characters, and then those that occur most often in the texts.
std::vector<int64_t> kept_words(const Tokenizer& tokenizer, const std::vector<std::string>& texts,
                                int64_t size);

/// A BERT with the rows `words` of the teacher's token embedding, its first positions, its blocks
/// `layers`, and of the MLPs the `hidden` units with the largest product of the lengths of the
/// weights before and after them. It has a new word head, and gives unit means.
std::unique_ptr<LanguageModel> cut_out(LanguageModel& teacher, const std::vector<int64_t>& words,
                                       const TextStudentOptions& options, Random& random);

/// Trains, and writes into `folder`: recipe.toml, the teacher's features, state.safetensors (after
/// every epoch; what `resume` continues from) and weights.safetensors (bf16), a whole model.
/// Returns the mean cosine to the teacher on the test sentences.
double pretrain(TextPretrainOptions& options, const fs::path& folder, bool resume);

}  // namespace patina

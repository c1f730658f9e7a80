// The artefact: what a session is saved to. One file of a learner's state and what it takes to use
// it: which learner, its options, the classes, the transform, and on which network.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/feed.h"
#include "patina/models/catalog.h"
#include "patina/session/learner_section.h"

namespace patina {

/// How a session learns: the part of a recipe that goes with it.
struct SessionRecipe {
  int64_t seed = 1993;
  ModelOptions model;
  LearnerSection learner;
  TrainingOptions training;  // starts from the learner's own
  TransformOptions train_transform, test_transform;
  TextOptions text;

  void bind(Fields& f);

 private:
  std::string training_of_;  // the learner whose training values are in `training`
};

/// What an artefact's header says, beside the states of learner and trainer.
struct Artefact {
  static constexpr int kFormat = 1;

  std::string recipe;  // a SessionRecipe as TOML
  Grant grant;
  std::vector<std::string> classes;
  std::vector<int64_t> class_of_column;  // of each score; a class has the best of its scores
  std::vector<int64_t> task_of_class;
  int64_t tasks = 0, samples = 0;  // learned
  bool in_memory = false;          // the network was handed over, not loaded by its options
  std::string backbone, hash;      // what it is, and of its weights before any learning
  bool embedded = false;           // whether the file holds the network, too
  bool is_text = false;

  /// Throws Error(state) where a file has another format.
  void state(Archive& a);
};

/// A recipe with what `text` and `settings` say laid over it, checked; `origin` stands in messages.
std::shared_ptr<SessionRecipe> completed(std::shared_ptr<SessionRecipe> recipe,
                                         const std::string& text,
                                         const std::vector<std::string>& settings,
                                         std::string_view origin);

/// Takes over the options that a network was loaded with; false where it was made otherwise.
bool take_origin(ModelOptions& model, const Backbone& backbone);

/// Writes an artefact of what is known; `weights` is the embedded network's file, or undefined.
void write_artefact(const fs::path& path, Artefact& artefact, Tensor weights, Learner& learner,
                    Trainer& trainer);

}  // namespace patina

// The artefact: the file a session is saved to. It has the learner's state and all that is needed
// to use it: learner, options, classes, transform, and the network it belongs to.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/data/feed.h"
#include "patina/models/catalog.h"
#include "patina/session/kept_samples.h"
#include "patina/session/learner_section.h"

namespace patina {

/// How a session learns: a subset of a recipe.
struct SessionRecipe {
  int64_t seed = 1993;
  ModelOptions model;
  LearnerSection learner;
  TrainingOptions training;  // defaults are the learner's
  TransformOptions train_transform, test_transform;
  TextOptions text;

  void bind(Fields& f);

 private:
  std::string training_of_;  // the learner whose training options are in `training`
};

/// The header of an artefact, without the states of learner and trainer.
struct Artefact {
  static constexpr int kFormat = 3;      // 2 is read, too: it has no samples
  static constexpr int kWithImages = 4;  // the same, of texts that have images

  std::string recipe;  // a SessionRecipe as TOML
  Grant grant;
  std::vector<std::string> classes;
  std::vector<int64_t> class_of_column;  // each score's class; the highest of a class counts
  std::vector<int64_t> task_of_class;
  int64_t tasks = 0, samples = 0;       // learned so far
  std::vector<std::string> task_names;  // of each task; "" where it has none
  bool in_memory = false;      // the network was passed as an object, not loaded by its options
  std::string backbone, hash;  // its description, and the hash of its weights before learning
  bool embedded = false;       // whether the file also contains the network
  bool is_text = false;
  bool has_images = false;                 // of texts: whether each has one
  AnswerKind answers = AnswerKind::label;  // of the samples learned last
  // Of the samples of earlier tasks that the learner keeps: how many the file holds, and how many
  // it lacks.
  int64_t kept = 0, left_out = 0;
  std::string journal = {};  // how far a server's journal has been learned; "": by no server

  /// Whether a session can add to it: not to the classes of every domain apart.
  bool grows() const { return class_of_column.size() == classes.size(); }

  /// Throws Error(state) if the file has another format.
  void state(Archive& a);
};

/// Applies `text` and `settings` to the recipe and checks it. `origin` is used in messages.
std::shared_ptr<SessionRecipe> completed(std::shared_ptr<SessionRecipe> recipe,
                                         const std::string& text,
                                         const std::vector<std::string>& settings,
                                         std::string_view origin);

/// Copies the options that a network was loaded with; false if it was created otherwise.
bool take_origin(ModelOptions& model, const Backbone& backbone);

/// A network's file as bytes, for an artefact at `path`, beside which it lies for a moment.
Tensor network_bytes(Backbone& backbone, const fs::path& path, bool bf16);

/// Writes an artefact. The samples that the learner keeps are read from `samples`; null: they are
/// left out.
void write_artefact(const fs::path& path, Artefact& artefact, Tensor weights, Learner& learner,
                    Trainer& trainer, const Source* samples);

/// Refuses to leave out the samples of a learner that reads them when it predicts: its file would
/// hold them all the same.
void check_samples_left_out(const LearnerRow& row);

/// The samples in an artefact; of one without any, none.
std::shared_ptr<const KeptSamples> kept_samples(Archive& archive, const Artefact& artefact);

}  // namespace patina

// The folder of a run: its files, and how a run starts or is resumed in it.
#pragma once

#include <string>
#include <string_view>

#include "patina/base/file.h"
#include "patina/checkpoint/archive.h"
#include "patina/run/run.h"

namespace patina {

struct RunFolder {
  fs::path path;

  fs::path recipe() const { return path / "recipe.toml"; }
  fs::path record() const { return path / "record.json"; }
  fs::path predictions() const { return path / "predictions.safetensors"; }
  /// The answers that a learner wrote after some tasks.
  fs::path answers(int after) const {
    return path / fmt::format("answers_after_task_{}.jsonl", after);
  }
  fs::path model() const { return path / "model.patina"; }
  fs::path checkpoint() const { return path / "checkpoint.safetensors"; }
  fs::path previous() const { return path / "checkpoint.previous.safetensors"; }

  /// Whether a run has begun in it.
  bool used() const;
  /// The text of the recipe to go on with: in a resumed run that of its recipe.toml, if it means
  /// what `recipe_text` says. An older patina wrote fewer keys, and a key that is missing there has
  /// today's default.
  std::string text_of(RunMode mode, const std::string& recipe_text) const;
  /// Deletes temporary files of a process that was killed while writing.
  void tidy() const;
  /// Whether it contains a complete run of this recipe.
  bool complete(const std::string& recipe_text) const;
  /// Whether to resume a run in it. Throws Error(state) if it contains a run that must not be
  /// replaced, or one of another recipe.
  bool continues(RunMode mode, const std::string& recipe_text) const;
  /// The same; also creates and locks the folder.
  bool open(RunMode mode, const std::string& recipe_text) const;
  /// The newest complete checkpoint.
  Archive load() const;
  /// Writes a checkpoint atomically: the old one is kept until the new one is complete.
  void save(const Archive& archive) const;

 private:
  void compare(std::string_view before, std::string_view now) const;
};

}  // namespace patina

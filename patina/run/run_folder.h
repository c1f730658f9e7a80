// The folder of a run: the files in it, and how a run begins or continues there.
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
  fs::path model() const { return path / "model.patina"; }
  fs::path checkpoint() const { return path / "checkpoint.safetensors"; }
  fs::path previous() const { return path / "checkpoint.previous.safetensors"; }

  /// Leaves nothing behind of a process that was killed while it wrote.
  void tidy() const;
  /// Whether it holds the run of this recipe from start to end.
  bool complete(const std::string& recipe_text) const;
  /// Whether a run in it is to be continued. Throws Error(state) where it holds a run that is not
  /// asked for, or one of another recipe.
  bool continues(RunMode mode, const std::string& recipe_text) const;
  /// The same, and makes the folder ready, which is locked.
  bool open(RunMode mode, const std::string& recipe_text) const;
  /// The newest checkpoint that is whole.
  Archive load() const;
  /// The old checkpoint stays until the new one is whole.
  void save(const Archive& archive) const;

 private:
  bool used() const;
  void compare(std::string_view before, std::string_view now) const;
};

}  // namespace patina

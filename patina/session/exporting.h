// What was learned, in forms that other programs load: adapters of PEFT and llama.cpp, and whole
// networks. Before a folder appears, it is read back and its scores on probes are compared.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "patina/learn/learner.h"
#include "patina/models/catalog.h"
#include "patina/session/session.h"

namespace patina {

/// What a session has learned; lent.
struct Learned {
  const LearnerRow* row = nullptr;
  const Learner* learner = nullptr;
  const Backbone* backbone = nullptr;
  std::string base;  // the name or the path of the pre-trained model
  std::vector<std::string> classes;
  std::vector<int64_t> class_of_column;
  bool told_tasks = false;  // whether predictions are told the task of a sample
};

Exported export_learned(const Learned& learned, const std::filesystem::path& folder,
                        const ExportOptions& options);

/// Writes a model with an adapter of PEFT in its weights (`model.adapter`) as a folder. What the
/// folder gives is compared with the base model that has the adapter beside its weights.
Exported merge_adapter(const ModelOptions& model, const std::filesystem::path& folder,
                       const ExportOptions& options);

}  // namespace patina

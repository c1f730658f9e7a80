// Learners in a shared library of their own: a plug-in, which `patina --plugin FILE` loads.
//
//   #include "patina/learners/plugin.h"
//   class NearestMean : public patina::ClosedFormLearner { ... };
//   PATINA_PLUGIN(learners) {
//     learners.add("nearest_mean", patina::learner_row<NearestMean>({...}));
//   }
//
// Built with the target patina::plugin, against the headers that are installed with the program.
#pragma once

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "patina/learn/learner.h"
#include "patina/libtorch.h"
#include "patina/version.h"

namespace patina {

/// Receives the learners of a plug-in.
class PluginLearners {
 public:
  void add(std::string name, LearnerRow row) {
    row.name = std::move(name);
    if (row.family.empty()) row.family = "plugin";
    rows_.push_back(std::move(row));
  }
  const std::vector<LearnerRow>& rows() const { return rows_; }

 private:
  std::vector<LearnerRow> rows_;
};

/// Loads a plug-in and adds its learners for this process; nothing, if it is loaded already. The
/// library's code runs with the rights of the process. Throws Error(file) for what cannot be
/// loaded, and Error(usage) for a library that is no plug-in, was built for another patina, or has
/// a name that is taken: then none of its learners is added.
void load_plugin(const std::filesystem::path& file);
/// The files that were loaded, in order.
std::vector<std::string> loaded_plugins();

namespace {  // of each library its own: both sides say what they were compiled with

// C++ has no stable binary interface. What differs here differs in layouts or in names.
[[maybe_unused]] const std::string& plugin_interface() {
  static const std::string text =
      fmt::format("patina {}, LibTorch {}, compiler ABI {}, strings {}, layouts {}/{}/{}/{}",
                  kVersion, kLibtorch, __GXX_ABI_VERSION, _GLIBCXX_USE_CXX11_ABI,
                  sizeof(LearnerRow), sizeof(Setup), sizeof(Task), sizeof(TrainingOptions));
  return text;
}

}  // namespace

}  // namespace patina

/// The one function that a plug-in has. It adds nothing for a program with another interface, and
/// returns its own instead.
// NOLINTBEGIN(bugprone-macro-parentheses): the parameter is a name that is declared.
#define PATINA_PLUGIN(learners)                                                \
  static void patina_plugin_add(patina::PluginLearners& learners);             \
  extern "C" __attribute__((visibility("default"))) const char* patina_plugin( \
      const char* interface, patina::PluginLearners* to) {                     \
    if (std::strcmp(interface, patina::plugin_interface().c_str()) != 0)       \
      return patina::plugin_interface().c_str();                               \
    patina_plugin_add(*to);                                                    \
    return nullptr;                                                            \
  }                                                                            \
  static void patina_plugin_add(patina::PluginLearners& learners)
// NOLINTEND(bugprone-macro-parentheses)

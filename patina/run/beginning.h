// What must be unchanged when a run is resumed: the recipe and the data. No file is read for this:
// samples are compared by name, label, domain, and their file's size or, in memory, content.
#pragma once

#include <optional>
#include <string>

#include "patina/checkpoint/archive.h"
#include "patina/data/source.h"
#include "patina/run/run_folder.h"

namespace patina {

/// Saves the hash of a network's weights and its engine. Loading throws Error(state) if the weights
/// are others than then, and warns if the engine is another. `folder` is used in messages.
void same_network(Archive& a, const std::string& weights, const std::string& engine,
                  const std::string& folder);

class Beginning {
 public:
  /// `folder` is used in messages; `recipe` is the resolved recipe as TOML.
  Beginning(std::string folder, std::string_view recipe, const DataSplits& data);

  /// Loading throws Error(state) with the first difference from what was saved.
  void state(Archive& a);

 private:
  struct Split {
    int64_t size = 0;
    /// "label domain mark name" for each sample, ended by NUL; "" if that is very long
    std::string samples;
    std::string hash;  // of all of them

    explicit Split(const Source& source);
    void state(Archive& a);
  };

  std::string difference(const Beginning& before) const;
  std::string difference(std::string_view what, const Split& now, const Split& before) const;

  std::string folder_, recipe_;  // the recipe's hash
  std::string evaluated_on_;     // what `test_` is called in messages
  std::string classes_;          // each closed by a NUL
  Split train_, test_;
};

/// The record of a run that is already complete and not changed; reports this on stderr. Nothing if
/// the run is not complete. Throws Error(state) if the folder's run cannot be continued or began
/// differently.
std::optional<Json> finished_run(Recipe& recipe, const DataSplits& data, const RunFolder& folder,
                                 RunMode mode);

}  // namespace patina

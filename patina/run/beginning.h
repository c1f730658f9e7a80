// What a run must find again when it goes on: the recipe and the data that it began with. Nothing
// is decoded for it: samples are known by name, label and place.
#pragma once

#include <optional>
#include <string>

#include "patina/checkpoint/archive.h"
#include "patina/data/source.h"
#include "patina/run/run_folder.h"

namespace patina {

class Beginning {
 public:
  /// `folder` stands in messages; `recipe` is the resolved one, as TOML.
  Beginning(std::string folder, std::string_view recipe, const DataSplits& data);

  /// Loading throws Error(state) naming the first difference from what was saved.
  void state(Archive& a);

 private:
  struct Split {
    int64_t size = 0;
    /// "label domain name" of each sample, each closed by a NUL; "" where that is very long.
    std::string samples;
    std::string hash;  // of all of them

    explicit Split(const Source& source);
    void state(Archive& a);
  };

  std::string difference(const Beginning& before) const;
  std::string difference(std::string_view what, const Split& now, const Split& before) const;

  std::string folder_, recipe_;  // the recipe's hash
  std::string classes_;          // each closed by a NUL
  Split train_, test_;
};

/// The record of a run that is complete already, which is left as it is: a line on stderr says so.
/// Throws Error(state) where the folder holds what cannot be continued, or another beginning.
std::optional<Json> finished_run(Recipe& recipe, const DataSplits& data, const RunFolder& folder,
                                 RunMode mode);

}  // namespace patina

// The folder of kept features: a subfolder a space, in it files that are written once under names
// of their own, so that any number of processes may share it.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "patina/store/feature_segment.h"

namespace patina {

class FeatureFolder {
 public:
  /// Nothing is read or written where `root` is empty or `most_bytes` is 0. Whatever goes wrong
  /// with the folder later is said once on stderr.
  FeatureFolder(fs::path root, int64_t most_bytes);

  /// The files of a space that were not handed out yet, whoever wrote them. A damaged one is
  /// deleted with a line on stderr.
  std::vector<FeatureSegment> fresh(const std::string& space, int64_t width);
  /// Writes a file, then deletes the oldest of all spaces while they pass the limit. Nothing where
  /// that is not possible.
  std::optional<FeatureSegment> write(const std::string& space, int64_t width,
                                      std::span<const FeatureKey> keys,
                                      std::span<const float> features);

 private:
  struct Listed {
    std::set<fs::path> files;
    fs::file_time_type changed = fs::file_time_type::min();  // the folder, when it was listed
  };

  std::optional<FeatureSegment> open(const fs::path& file, const std::string& space, int64_t width);
  void trim() const;

  fs::path root_;
  int64_t most_bytes_;
  bool writable_;
  std::map<std::string, Listed> listed_;
};

/// $XDG_CACHE_HOME/patina, else ~/.cache/patina; empty where neither is known.
fs::path usual_cache_folder();

}  // namespace patina

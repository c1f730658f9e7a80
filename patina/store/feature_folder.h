// The folder of cached features: one subfolder per space, with files that are written once under
// unique names, so that any number of processes may share it.
#pragma once

#include <map>
#include <optional>
#include <set>

#include "patina/store/feature_segment.h"

namespace patina {

class FeatureFolder {
 public:
  /// Nothing is read or written if `root` is empty or `most_bytes` is 0. After the first error that
  /// prevents writing, the folder is only read; a warning reports it once.
  FeatureFolder(fs::path root, int64_t most_bytes);

  /// The files of a space that were not returned before, of any process. A damaged file is deleted
  /// with a warning.
  std::vector<FeatureSegment> fresh(const std::string& space, int64_t width);
  /// Writes a file, then deletes the oldest files of all spaces until the limit is met. Nothing if
  /// that fails.
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

/// Files of features end like this.
inline constexpr const char* kSegmentEnding = ".safetensors";
/// Subfolders are named by their space's hash; anything else in the folder is left alone.
bool is_space_name(const std::string& name);

/// $XDG_CACHE_HOME/patina, otherwise ~/.cache/patina; empty if neither is known.
fs::path usual_cache_folder();

}  // namespace patina

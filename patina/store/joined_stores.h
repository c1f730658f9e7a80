// Joins feature stores that were filled apart, such as the shards of one data set.
#pragma once

#include <vector>

#include "patina/base/file.h"

namespace patina {

/// Whether a folder holds cached features.
bool is_feature_store(const fs::path& folder);

struct JoinedStores {
  int64_t samples = 0;  // with features, in all parts; one that two parts have counts twice
  int64_t files = 0, added = 0;  // files in all parts, and those that were new in `out`
};

/// Copies the files of all parts to the store `out`, each under the checksum of its content, so
/// that the same part can be joined again. A new store appears under its name only when it is
/// complete; in one that exists, each file does. Checks every file of every part before: throws
/// Error(format) with the name of a damaged one, and Error(usage) for a part that is not a feature
/// store.
JoinedStores join_stores(const std::vector<fs::path>& parts, const fs::path& out);

}  // namespace patina

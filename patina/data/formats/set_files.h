// Several sets of texts below one folder, each with the files of its two splits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "patina/data/source.h"

namespace patina {

/// Whether a file's name ends so, disregarding ".gz".
bool has_ending(const fs::path& path, const std::string& ending);

/// Opens each of `sets` below `folder`, or `folder` itself if there is none. A set's files are
/// <set>/train.jsonl or <set>.train.jsonl, with one of the `endings` (".jsonl") and optionally
/// ".gz"; a test split may also be called eval, dev, val, valid or validation. Several sets are
/// joined, each a domain. Throws Error(data) if a file is missing.
DataSplits open_sets(const fs::path& folder, const std::vector<std::string>& sets,
                     const std::vector<std::string>& endings,
                     const std::function<std::unique_ptr<Source>(const fs::path&)>& open);

/// The files of the training and the test split of `folder` itself, found as open_sets finds them.
std::pair<fs::path, fs::path> split_files(const fs::path& folder,
                                          const std::vector<std::string>& endings);

}  // namespace patina

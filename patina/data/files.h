// Finding and reading a data set's files, and the names in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/base/file.h"
#include "patina/image/image.h"

namespace patina {

/// The usual names of a test split beside "train", the first that is there wins.
inline constexpr const char* kTestSplitNames[] = {"test", "val", "valid", "validation"};

/// Calls read_image; error messages say how to skip damaged files.
Image read_sample(const fs::path& path);

/// Throws Error(data) unless every name can be shown and stored: not empty, valid UTF-8, no control
/// characters. `what` names the kind of name in messages.
void check_class_names(const std::vector<std::string>& names, std::string_view origin,
                       std::string_view what = "class");

/// The file, or its gzipped form with ".gz"; empty if neither exists.
fs::path find_file(const fs::path& folder, const std::string& name);
/// The same; throws Error(data) if neither exists.
fs::path need_file(const fs::path& folder, const std::string& name);

/// The rows of a tab-separated table, without empty lines. Throws Error(format) on a row with fewer
/// than `columns` cells.
std::vector<std::vector<std::string>> read_tsv(const fs::path& path, size_t columns);

}  // namespace patina

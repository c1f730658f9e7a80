// Finding and reading a data set's files, and the names in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "patina/base/file.h"
#include "patina/image/image.h"

namespace patina {

/// read_image; the message about a damaged file says how to leave it out.
Image read_sample(const fs::path& path);

/// Throws Error(data) unless every name can be shown and stored: not empty, UTF-8, no control
/// characters. `what` has the names, in the message.
void check_class_names(const std::vector<std::string>& names, std::string_view origin,
                       std::string_view what = "class");

/// True when a file is there to be opened.
bool is_file(const fs::path& path);
/// The file under its own name or gzipped; empty when neither is there.
fs::path find_file(const fs::path& folder, const std::string& name);
/// The same; throws Error(data) when neither is there.
fs::path need_file(const fs::path& folder, const std::string& name);

/// The rows of a tab-separated table, without empty lines. Throws Error(format) on a row of fewer
/// than `columns` cells.
std::vector<std::vector<std::string>> read_tsv(const fs::path& path, size_t columns);

}  // namespace patina

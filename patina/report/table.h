// Tables for a terminal.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace patina {

/// Rows of cells as lines: the first column to the left, the others to the right, two spaces
/// between them.
std::string table(const std::vector<std::vector<std::string>>& rows);

/// Text from a record without control characters, which a terminal would execute.
std::string printable(std::string_view text);

}  // namespace patina

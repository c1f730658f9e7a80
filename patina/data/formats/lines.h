// Lines of text files, and the limits of what is read.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "patina/base/error.h"
#include "patina/base/file.h"

namespace patina {

/// Input limits: a record of 16 MiB, and files that inflate to 1 GiB (JSON, which is parsed as a
/// whole: 128 MiB).
inline constexpr size_t kLongestRecord = size_t{1} << 24;
inline constexpr uint64_t kMostBytes = uint64_t{1} << 30, kMostJsonBytes = uint64_t{1} << 27;

/// Whether a text is spaces and line ends only.
bool is_blank(std::string_view text);

/// A file as text, gunzipped if it is compressed. Throws Error if it is larger than `limit`.
std::string read_file_text(const fs::path& path, uint64_t limit);

/// Calls body(line, number) with each line, without line end, and its number from 1. Throws
/// Error(format) for a line that is longer than a record may be.
template <class Body>
void each_line(std::string_view text, const std::string& origin, Body body) {
  int64_t number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.size() > kLongestRecord)
      fail(ErrorKind::format, "{}:{}: a line of {} bytes; the most is {}", origin, number,
           line.size(), kLongestRecord);
    body(line, number);
  }
}

/// The text without a byte order mark. Throws Error(format) with the line if it is not UTF-8.
std::string_view checked_utf8(std::string_view text, const std::string& origin);

}  // namespace patina

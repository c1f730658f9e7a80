#include "patina/report/table.h"

#include <algorithm>
#include <cstdint>

namespace patina {

namespace {

// Characters a terminal shows; continuation bytes of UTF-8 take no column.
size_t width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> widths(rows.at(0).size());
  for (const auto& row : rows)
    for (size_t k = 0; k < row.size(); ++k) widths[k] = std::max(widths[k], width(row[k]));
  std::string text;
  for (const auto& row : rows) {
    std::string line = row[0] + std::string(widths[0] - width(row[0]), ' ');
    for (size_t k = 1; k < row.size(); ++k)
      line += "  " + std::string(widths[k] - width(row[k]), ' ') + row[k];
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

// A record may hold any text: control characters, C1's two-byte forms too, must not reach the
// terminal.
std::string printable(std::string_view text) {
  std::string shown;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto at = [&](size_t k) { return k < text.size() ? static_cast<uint8_t>(text[k]) : 0; };
    const bool c1 = at(i) == 0xC2 && at(i + 1) >= 0x80 && at(i + 1) < 0xA0;
    shown += c1 || at(i) < 0x20 || at(i) == 0x7F ? '?' : text[i];
    i += c1;
  }
  return shown;
}

}  // namespace patina

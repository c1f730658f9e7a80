// Any bytes are a table of texts, or an Error; and a table that is written with every cell quoted
// reads as the same texts.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/data/formats/table.h"

namespace {

using patina::TextFields;
using patina::TextTable;

const TextFields kNumbers{.text = "0", .pair = "", .label = "1"};

std::string quoted(const std::string& cell) {
  std::string text = "\"";
  for (const char c : cell) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + "\"";
}

void round_trip(const TextTable& table, char separator) {
  std::string text;
  for (const auto& record : table.records)
    text += quoted(record.text.first) + separator + quoted(record.label) + "\r\n";
  const TextTable again = patina::parse_csv(text, separator, kNumbers, "again");
  if (again.records.size() != table.records.size()) std::abort();
  for (size_t i = 0; i < again.records.size(); ++i)
    if (again.records[i].text.first != table.records[i].text.first ||
        again.records[i].label != table.records[i].label)
      std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const char separator = data[0] & 1 ? ',' : '\t';
  TextTable table;
  try {
    table = patina::parse_csv(text, separator, data[0] & 2 ? kNumbers : TextFields{}, "fuzz");
  } catch (const patina::Error&) {
    return 0;
  }
  round_trip(table, separator);
  return 0;
}

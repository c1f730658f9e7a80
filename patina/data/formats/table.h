// Texts in files: CSV, TSV, JSON, JSON Lines and plain lines, each as it is or gzipped.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "patina/data/source.h"

namespace patina {

/// Which fields of a record hold what: names, or numbers from 0 where a table has no header.
struct TextFields {
  std::string text = "text";
  std::string pair;             // the second text; "": there is none
  std::string label = "label";  // "": there is none
};

/// One record, checked: the first text is not blank and everything is UTF-8.
struct TextRecord {
  Text text;
  std::string label;  // as it stands there: a name or a number
  int64_t at = 0;     // its line from 1, or its index in a JSON list
};

/// The records of one file or of one split in it.
struct TextTable {
  std::string origin;
  bool by_line = true;  // what `at` counts
  std::vector<TextRecord> records;

  std::string place(size_t record) const;  // "train.csv:17", "data.json[train][16]"
};

/// Split names and their records; the name is "" where a file is not divided.
using TextSplits = std::map<std::string, TextTable>;

/// The limits of what is read: a record of 16 MiB, 4096 columns, and files that inflate to 1 GiB
/// (JSON, which is parsed as a whole: 128 MiB).
inline constexpr size_t kLongestRecord = size_t{1} << 24, kMostColumns = 4096;

/// RFC 4180 with any separator: cells may be quoted, then hold separators, line ends and doubled
/// quotes. Empty lines are left out. Without a header, which the fields' being numbers says, and
/// with one, all rows have as many cells as the first. Throws Error(format) naming the line.
TextTable parse_csv(std::string_view text, char separator, const TextFields& fields,
                    const std::string& origin);
/// One JSON record a line: an object, or a list of text and label.
TextTable parse_jsonl(std::string_view text, const TextFields& fields, const std::string& origin);
/// A list of such records, or an object of splits with such lists.
TextSplits parse_json_texts(std::string_view text, const TextFields& fields,
                            const std::string& origin);
/// One text a line.
TextTable parse_lines(std::string_view text, const std::string& origin);

/// "csv", "tsv", "json", "jsonl" or "lines" by a file's name; "" when it is of no such kind.
std::string text_format(const fs::path& path);
std::vector<std::string> text_formats();

/// Reads a file in one of the formats; "": by its name. The labels of plain lines stand in a file
/// of the same name that ends in .labels. Throws Error naming the file and the line.
TextSplits read_texts(const fs::path& path, const TextFields& fields,
                      const std::string& format = "");
/// Plain lines, and their labels in the same line of another file.
TextTable read_lines(const fs::path& texts, const fs::path& labels);

}  // namespace patina

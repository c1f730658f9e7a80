// Texts in files: CSV, TSV, JSON, JSON Lines and plain lines, each optionally gzipped.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "patina/data/source.h"

namespace patina {

/// The fields of a record: names, or numbers from 0 for a table without header.
struct TextFields {
  std::string text = "text";
  std::string pair;             // the second text; "": none
  std::string label = "label";  // "": none
};

/// One validated record: the first text is not blank and everything is UTF-8.
struct TextRecord {
  Text text;
  std::string label;  // as in the file: a name or a number
  int64_t at = 0;     // its line number from 1, or its index in a JSON list
};

/// The records of one file or of one split in it.
struct TextTable {
  std::string origin;
  bool by_line = true;  // whether `at` counts lines
  std::vector<TextRecord> records;

  std::string place(size_t record) const;  // "train.csv:17", "data.json[train][16]"
};

/// Split names and their records; the name is "" for a file without splits.
using TextSplits = std::map<std::string, TextTable>;

inline constexpr size_t kMostColumns = 4096;

/// RFC 4180 with any separator: cells may be quoted, and may then contain separators, line ends and
/// doubled quotes. Empty lines are skipped. There is no header if the fields are numbers. All rows
/// must have as many cells as the first. Throws Error(format) with the line.
TextTable parse_csv(std::string_view text, char separator, const TextFields& fields,
                    const std::string& origin);
/// One JSON record per line: an object, or a list of text and label.
TextTable parse_jsonl(std::string_view text, const TextFields& fields, const std::string& origin);
/// A list of such records, or an object that maps split names to such lists.
TextSplits parse_json_texts(std::string_view text, const TextFields& fields,
                            const std::string& origin);
/// One text per line.
TextTable parse_lines(std::string_view text, const std::string& origin);

/// "csv", "tsv", "json", "jsonl" or "lines" by a file's extension; "" for any other.
std::string text_format(const fs::path& path);
std::vector<std::string> text_formats();

/// Reads a file in one of the formats; "": by its extension. The labels of plain lines are in a
/// file of the same name with extension .labels. Throws Error with the file and the line.
TextSplits read_texts(const fs::path& path, const TextFields& fields,
                      const std::string& format = "");
/// Plain lines, with labels in the same lines of another file.
TextTable read_lines(const fs::path& texts, const fs::path& labels);

}  // namespace patina

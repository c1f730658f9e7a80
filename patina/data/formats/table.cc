// Texts in files. Everything is validated before use; allocations are bounded by the file's size.
#include "patina/data/formats/table.h"

#include <algorithm>
#include <utility>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/files.h"
#include "patina/data/formats/lines.h"

namespace patina {

namespace {

constexpr size_t kNoColumn = std::string::npos;

// Reads separated values record by record.
class Rows {
 public:
  Rows(std::string_view text, char separator, const std::string& origin)
      : text_(text), stops_{separator, '\n'}, origin_(origin) {}

  // Reads the next row that is not empty; false at the end.
  bool next() {
    while (at_ < text_.size()) {
      const size_t begin = at_;
      cells_.clear();
      first_line_ = line_;
      do {
        read_cell();
        if (at_ - begin > kLongestRecord)
          fail(ErrorKind::format, "{}:{}: a row of more than {} bytes; is a quote left open?",
               origin_, first_line_, kLongestRecord);
      } while (take(stops_[0]));
      const bool empty = at_ == begin || text_.substr(begin, at_ - begin) == "\r";
      if (take('\n')) ++line_;
      if (!empty) return true;
    }
    return false;
  }
  const std::vector<std::string>& cells() const { return cells_; }
  int64_t line() const { return first_line_; }

 private:
  bool take(char c) {
    const bool here = at_ < text_.size() && text_[at_] == c;
    at_ += here;
    return here;
  }

  void read_cell() {
    if (cells_.size() == kMostColumns)
      fail(ErrorKind::format, "{}:{}: more than {} columns", origin_, first_line_, kMostColumns);
    std::string& cell = cells_.emplace_back();
    if (take('"')) return read_quoted(cell);
    const size_t end = std::min(text_.find_first_of(stops_, at_), text_.size());
    cell = text_.substr(at_, end - at_);
    at_ = end;
    if (at_ < text_.size() && text_[at_] == '\n' && cell.ends_with('\r')) cell.pop_back();
  }

  void read_quoted(std::string& cell) {
    const int64_t opened = line_;
    for (bool more = true; more;) {
      const size_t quote = text_.find('"', at_);
      if (quote == std::string::npos)
        fail(ErrorKind::format, "{}:{}: the quote that opens here is never closed", origin_,
             opened);
      const std::string_view part = text_.substr(at_, quote - at_);
      line_ += std::ranges::count(part, '\n');
      cell += part;
      at_ = quote + 1;
      more = take('"');
      if (more) cell += '"';  // two quotes stand for one
    }
    if (text_.substr(at_, 2) == "\r\n") ++at_;
    if (at_ < text_.size() && stops_.find(text_[at_]) == std::string::npos)
      fail(ErrorKind::format,
           "{}:{}: text behind a closing quote; inside quotes a quote is written twice", origin_,
           line_);
  }

  std::string_view text_;
  std::string stops_;  // the separator and the line-end characters
  const std::string& origin_;
  size_t at_ = 0;
  int64_t line_ = 1, first_line_ = 1;
  std::vector<std::string> cells_;
};

bool is_number(const std::string& field) {
  return !field.empty() && field.size() < 6 &&
         std::ranges::all_of(field, [](char c) { return c >= '0' && c <= '9'; });
}

// Throws Error(format) with a place.
[[noreturn]] void refuse(const std::string& place, const std::string& why) {
  fail(ErrorKind::format, "{}: {}", place, why);
}

// The column of each requested field; kNoColumn if not requested.
struct Columns {
  size_t text, pair, label;

  Columns(const TextFields& fields, const std::vector<std::string>& first, const std::string& place)
      : text(find("text", fields.text, first, place)),
        pair(find("text_pair", fields.pair, first, place)),
        label(find("label", fields.label, first, place)) {
    if (text == kNoColumn) refuse(place, "data.text is empty; name the column of the texts");
    if (is_number(fields.text) != is_number(fields.label) && label != kNoColumn)
      refuse(place, "data.text and data.label: both column names, or both numbers");
  }

 private:
  static size_t find(const char* key, const std::string& field,
                     const std::vector<std::string>& first, const std::string& place) {
    if (field.empty()) return kNoColumn;
    if (is_number(field)) {
      const size_t column = std::stoul(field);
      if (column >= first.size())
        refuse(place, fmt::format("data.{} is {}, but there are {} columns, numbered from 0", key,
                                  column, first.size()));
      return column;
    }
    const auto found = std::ranges::find(first, field);
    if (found == first.end())
      refuse(place, fmt::format("no column is called \"{}\"{}; set data.{} to a column's name, or "
                                "to its number from 0 if there is no header",
                                field, did_you_mean(field, first), key));
    return size_t(found - first.begin());
  }
};

// `labelled`: whether the fields name a label.
void add(TextTable& table, TextRecord record, bool labelled) {
  table.records.push_back(std::move(record));
  const auto place = [&] { return table.place(table.records.size() - 1); };
  if (is_blank(table.records.back().text.first))
    refuse(place(), "an empty text; fill it or remove it");
  if (labelled && is_blank(table.records.back().label))
    refuse(place(), "a text without a label; fill it in or remove the text");
}

// A label of a JSON record as text, as in a table.
std::string label_text(const SortedJson& value, const std::string& place) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_integer() || value.is_boolean()) return value.dump();
  if (value.is_null()) refuse(place, "a text without a label; fill it in or remove the text");
  refuse(place, "the label is neither a string nor a whole number");
}

std::string text_value(const SortedJson& value, const std::string& place) {
  if (!value.is_string()) refuse(place, "the text is not a string");
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() > kLongestRecord)
    refuse(place, fmt::format("a text of {} bytes; the most is {}", text.size(), kLongestRecord));
  return text;
}

// A field of an object by name, or of a list by index.
const SortedJson& member(const SortedJson& record, const std::string& field, size_t usual,
                         const std::string& place) {
  if (record.is_object()) {
    const auto found = record.find(field);
    if (found != record.end()) return *found;
    std::vector<std::string> names;
    for (const auto& item : record.items())
      if (names.size() < kMostColumns) names.push_back(item.key());
    refuse(place, fmt::format("the record has no \"{}\"{}", field, did_you_mean(field, names)));
  }
  if (!record.is_array()) refuse(place, "a record is an object, or a list of text and label");
  const size_t index = is_number(field) ? std::stoul(field) : usual;
  if (index >= record.size())
    refuse(place, fmt::format("a list of {} values; number {} is wanted, counted from 0",
                              record.size(), index));
  return record[index];
}

TextRecord from_json(const SortedJson& json, const TextFields& fields, int64_t at,
                     const std::string& place) {
  TextRecord record{.at = at};
  record.text.first = text_value(member(json, fields.text, 0, place), place);
  if (!fields.pair.empty())
    record.text.second = text_value(member(json, fields.pair, kNoColumn, place), place);
  if (!fields.label.empty()) record.label = label_text(member(json, fields.label, 1, place), place);
  return record;
}

TextTable json_list(const SortedJson& list, const TextFields& fields, const std::string& origin) {
  if (!list.is_array()) refuse(origin, "a list of records is expected here");
  TextTable table{.origin = origin, .by_line = false};
  for (size_t i = 0; i < list.size(); ++i)
    add(table, from_json(list[i], fields, int64_t(i), fmt::format("{}[{}]", origin, i)),
        !fields.label.empty());
  return table;
}

}  // namespace

std::string TextTable::place(size_t record) const {
  return fmt::format(fmt::runtime(by_line ? "{}:{}" : "{}[{}]"), origin, records[record].at);
}

TextTable parse_csv(std::string_view text, char separator, const TextFields& fields,
                    const std::string& origin) {
  Rows rows(checked_utf8(text, origin), separator, origin);
  TextTable table{.origin = origin};
  if (!rows.next()) return table;
  const auto place = [&] { return fmt::format("{}:{}", origin, rows.line()); };
  const Columns columns(fields, rows.cells(), place());
  const size_t width = rows.cells().size();
  const auto cell = [&](size_t column) { return column == kNoColumn ? "" : rows.cells()[column]; };
  for (bool more = is_number(fields.text) || rows.next(); more; more = rows.next()) {
    if (rows.cells().size() != width)
      refuse(place(), fmt::format("{} cells, but the first row has {}; a cell with a separator in "
                                  "it must be quoted",
                                  rows.cells().size(), width));
    add(table, {{cell(columns.text), cell(columns.pair)}, cell(columns.label), rows.line()},
        columns.label != kNoColumn);
  }
  return table;
}

TextTable parse_jsonl(std::string_view text, const TextFields& fields, const std::string& origin) {
  TextTable table{.origin = origin};
  each_line(checked_utf8(text, origin), origin, [&](std::string_view line, int64_t number) {
    if (is_blank(line)) return;
    const std::string place = fmt::format("{}:{}", origin, number);
    add(table, from_json(parse_sorted_json(line, place), fields, number, place),
        !fields.label.empty());
  });
  return table;
}

TextSplits parse_json_texts(std::string_view text, const TextFields& fields,
                            const std::string& origin) {
  const SortedJson json = parse_sorted_json(checked_utf8(text, origin), origin);
  TextSplits splits;
  if (!json.is_object())
    splits[""] = json_list(json, fields, origin);
  else
    for (const auto& split : json.items())
      splits[split.key()] =
          json_list(split.value(), fields, fmt::format("{}[{}]", origin, split.key()));
  return splits;
}

TextTable parse_lines(std::string_view text, const std::string& origin) {
  TextTable table{.origin = origin};
  each_line(checked_utf8(text, origin), origin, [&](std::string_view line, int64_t number) {
    add(table, {{std::string(line), ""}, "", number}, false);
  });
  return table;
}

namespace {

// Formats and their file extensions.
const std::vector<std::pair<std::string, std::string>>& endings() {
  static const std::vector<std::pair<std::string, std::string>> list = {
      {"csv", ".csv"},     {"tsv", ".tsv"},      {"json", ".json"},
      {"jsonl", ".jsonl"}, {"jsonl", ".ndjson"}, {"lines", ".txt"}};
  return list;
}

fs::path without_gz(const fs::path& path) {
  return path.extension() == ".gz" ? fs::path(path).replace_extension() : path;
}

}  // namespace

std::string text_format(const fs::path& path) {
  const std::string ending = without_gz(path).extension().string();
  const auto found =
      std::ranges::find(endings(), ending, [](const auto& row) { return row.second; });
  return found == endings().end() ? "" : found->first;
}

std::vector<std::string> text_formats() {
  return {"csv", "tsv", "json", "jsonl", "lines"};
}

TextTable read_lines(const fs::path& texts, const fs::path& labels) {
  TextTable table = parse_lines(read_file_text(texts, kMostBytes), texts.string());
  const TextTable names = parse_lines(read_file_text(labels, kMostBytes), labels.string());
  if (names.records.size() != table.records.size())
    fail(ErrorKind::data, "{}: {} labels for the {} texts of {}", labels.string(),
         names.records.size(), table.records.size(), texts.string());
  for (size_t i = 0; i < table.records.size(); ++i)
    table.records[i].label = names.records[i].text.first;
  return table;
}

TextSplits read_texts(const fs::path& path, const TextFields& fields, const std::string& format) {
  const std::string name = path.string();
  const std::string kind = format.empty() ? text_format(path) : format;
  if (kind == "json") return parse_json_texts(read_file_text(path, kMostJsonBytes), fields, name);
  if (kind == "lines") {
    if (fields.label.empty()) return {{"", parse_lines(read_file_text(path, kMostBytes), name)}};
    const std::string labels = without_gz(path).stem().string() + ".labels";
    return {{"", read_lines(path, need_file(path.parent_path(), labels))}};
  }
  if (kind.empty())
    fail(ErrorKind::data,
         "{}: the name tells no format of texts; name it .csv, .tsv, .json, .jsonl or .txt, or set "
         "data.format",
         name);
  const std::string text = read_file_text(path, kMostBytes);
  if (kind == "jsonl") return {{"", parse_jsonl(text, fields, name)}};
  return {{"", parse_csv(text, kind == "csv" ? ',' : '\t', fields, name)}};
}

}  // namespace patina

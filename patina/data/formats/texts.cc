// Labelled texts. Labels are collected over both splits, so that a class which occurs in only one
// of them is noticed.
#include "patina/data/formats/texts.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/files.h"
#include "patina/data/views.h"

namespace patina {

namespace {

// Lookup in the ordered JSON type is linear, so the file's size is limited.
constexpr uint64_t kMostLabelBytes = uint64_t{1} << 18;

bool is_class_number(const std::string& label) {
  return !label.empty() && label.size() < 10 &&
         std::ranges::all_of(label, [](char c) { return c >= '0' && c <= '9'; });
}

// A label as shown in messages, shortened: it may be any text.
std::string shown_label(std::string label) {
  constexpr size_t kLongest = 60;
  if (label.size() > kLongest) {
    size_t end = kLongest;
    while (end > 0 && (uint8_t(label[end]) & 0xc0) == 0x80) --end;  // do not cut a UTF-8 character
    label = label.substr(0, end) + "...";
  }
  for (char& c : label)
    if (uint8_t(c) < 0x20 || c == 0x7f) c = '?';
  return label;
}

// {"World": 0, "Sports": 1}: every number below the count must occur once.
std::vector<std::string> names_by_number(const Json& json, const std::string& origin) {
  std::vector<std::string> names(json.size());
  for (const auto& item : json.items()) {
    const auto& value = item.value();
    const bool fits = value.is_number_unsigned() && value.get<uint64_t>() < names.size();
    if (!fits || !names[value.get<size_t>()].empty())
      fail(ErrorKind::data, "{}: the class numbers must be 0 to {}, each once", origin,
           names.size() - 1);
    names[value.get<size_t>()] = item.key();
  }
  return names;
}

}  // namespace

LabelMap LabelMap::parse(std::string_view text, const std::string& origin) {
  const Json json = parse_json(text, origin);
  const auto refuse = [&] {
    fail(ErrorKind::data,
         "{}: a list of class names is expected, or an object from label to name or from name to "
         "number",
         origin);
  };
  if (!json.is_structured() || json.empty()) refuse();
  const auto all = [&](auto holds) { return std::all_of(json.begin(), json.end(), holds); };
  const bool named = all([](const Json& value) { return value.is_string(); });
  if (!named && !(json.is_object() && all([](const Json& v) { return v.is_number_integer(); })))
    refuse();
  LabelMap map;
  if (json.is_object() && named) {
    for (const auto& item : json.items()) {
      const auto name = item.value().get<std::string>();
      auto found = std::ranges::find(map.classes_, name);
      if (found == map.classes_.end()) found = map.classes_.insert(found, name);
      map.add(item.key(), found - map.classes_.begin());
    }
  } else {
    map.classes_ = named ? json.get<std::vector<std::string>>() : names_by_number(json, origin);
    for (size_t c = 0; c < map.classes_.size(); ++c) map.add(map.classes_[c], int64_t(c));
    if (map.numbers_.size() < map.classes_.size())
      fail(ErrorKind::data, "{}: two classes have one name", origin);
    for (size_t c = 0; c < map.classes_.size(); ++c) map.add(std::to_string(c), int64_t(c));
  }
  check_class_names(map.classes_, origin);
  return map;
}

LabelMap LabelMap::read(const fs::path& path) {
  return parse(read_text(path, kMostLabelBytes), path.string());
}

LabelMap LabelMap::of(const std::vector<const TextTable*>& tables) {
  std::set<std::string> labels;
  for (const auto* table : tables)
    for (const auto& record : table->records)
      if (labels.insert(record.label).second)
        check_class_names({record.label}, table->place(size_t(&record - table->records.data())));
  LabelMap map;
  map.classes_.assign(labels.begin(), labels.end());
  if (std::ranges::all_of(map.classes_, is_class_number))
    std::ranges::sort(map.classes_, {},
                      [](const std::string& label) { return std::pair(std::stoll(label), label); });
  for (size_t c = 0; c < map.classes_.size(); ++c) map.add(map.classes_[c], int64_t(c));
  return map;
}

int64_t LabelMap::operator()(const std::string& label, const std::string& place) const {
  const auto found = numbers_.find(label);
  if (found != numbers_.end()) return found->second;
  fail(ErrorKind::data, "{}: the label \"{}\" is none of the {} that data.labels knows{}", place,
       shown_label(label), classes_.size(), did_you_mean(shown_label(label), classes_));
}

Texts::Texts(TextTable table, const LabelMap& labels)
    : table_(std::move(table)), classes_(labels.classes()) {
  if (table_.records.empty()) fail(ErrorKind::data, "{}: no texts in it", table_.origin);
  for (size_t i = 0; i < table_.records.size(); ++i)
    labels_.push_back(labels(table_.records[i].label, table_.place(i)));
}

DataSplits text_splits(TextTable train, TextTable test, const LabelMap& labels) {
  return {"text", std::make_unique<Texts>(std::move(train), labels),
          std::make_unique<Texts>(std::move(test), labels)};
}

namespace {

// The file of a split in a folder; empty if there is none. If the format is given, any extension
// except that of label files is accepted.
fs::path file_of_split(const fs::path& folder, const std::string& split,
                       const std::string& format) {
  const auto fits = [&](const std::string& name) {
    const bool labels = name.starts_with(split + ".labels");
    return name.starts_with(split + ".") && !labels &&
           (!format.empty() || !text_format(name).empty()) && is_file(folder / name);
  };
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error))
    if (const std::string name = entry->path().filename().string(); fits(name))
      found.push_back(name);
  if (error)
    fail(ErrorKind::file, "{}: cannot list the folder: {}", folder.string(), error.message());
  if (found.size() > 1)
    fail(ErrorKind::data, "{}: {} and {}: which is meant? Keep one", folder.string(),
         std::ranges::min(found), std::ranges::max(found));
  return found.empty() ? fs::path() : folder / found[0];
}

// The first of the usual names of a test split that `file` has.
template <class Find>
auto test_split(Find find, const std::string& where) {
  for (const char* name : kTestSplitNames)
    if (auto found = find(name); found) return *found;
  fail(ErrorKind::data, "{}: has train but no test, val or valid beside it", where);
}

TextTable whole_file(const fs::path& path, const TextFields& fields, const DataOptions& options) {
  TextSplits splits = read_texts(path, fields, options.format);
  if (splits.size() != 1 || !splits.contains(""))
    fail(ErrorKind::data, "{}: one list of records is expected, not splits", path.string());
  return std::move(splits[""]);
}

// Reads both splits of a folder.
std::pair<TextTable, TextTable> open_folder(const fs::path& folder, const TextFields& fields,
                                            const DataOptions& options) {
  const fs::path train = file_of_split(folder, "train", options.format);
  if (train.empty())
    fail(ErrorKind::data,
         "{}: no train.csv, train.tsv, train.json, train.jsonl or train.txt in it (each may end in "
         ".gz); put the splits there, or set data.path to one file",
         folder.string());
  const fs::path test = test_split(
      [&](const char* name) {
        fs::path file = file_of_split(folder, name, options.format);
        return file.empty() ? std::nullopt : std::optional(std::move(file));
      },
      folder.string());
  return {whole_file(train, fields, options), whole_file(test, fields, options)};
}

std::pair<TextTable, TextTable> named_splits(TextSplits splits, const std::string& origin) {
  if (!splits.contains("train"))
    fail(ErrorKind::data, "{}: an object of splits without \"train\"", origin);
  const auto test = test_split(
      [&](const char* name) { return splits.contains(name) ? std::optional(name) : std::nullopt; },
      origin);
  return {std::move(splits["train"]), std::move(splits[test])};
}

std::pair<TextTable, TextTable> split_by_class(TextTable all, const DataOptions& options) {
  std::map<std::string, std::vector<size_t>> members;
  for (size_t i = 0; i < all.records.size(); ++i) members[all.records[i].label].push_back(i);
  std::vector<char> in_test(all.records.size());
  for (const auto& [label, records] : members) {
    if (records.size() < 2)
      fail(ErrorKind::data,
           "{}: the only text of class \"{}\": a class of one cannot be split into train and test",
           all.place(records[0]), shown_label(label));
    const auto drawn = drawn_for_test(options, label, int64_t(records.size()));
    for (size_t i = 0; i < records.size(); ++i) in_test[records[i]] = drawn[i];
  }
  TextTable train{all.origin, all.by_line, {}}, test = train;
  for (size_t i = 0; i < all.records.size(); ++i)
    (in_test[i] ? test : train).records.push_back(std::move(all.records[i]));
  return {std::move(train), std::move(test)};
}

std::pair<TextTable, TextTable> open_tables(const fs::path& path, const DataOptions& options) {
  const TextFields fields{options.text, options.text_pair, options.label};
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return open_folder(path, fields, options);
  TextSplits splits = read_texts(path, fields, options.format);
  if (!splits.contains("")) return named_splits(std::move(splits), path.string());
  return split_by_class(std::move(splits[""]), options);
}

}  // namespace

DataSplits open_texts(const fs::path& path, const DataOptions& options) {
  if (options.label.empty())
    fail(ErrorKind::data, "data.label is empty; name the column of the labels");
  auto [train, test] = open_tables(path, options);
  // Relative to the data, unless the path is absolute.
  const fs::path folder = is_file(path) ? path.parent_path() : path;
  const LabelMap labels = options.labels.empty() ? LabelMap::of({&train, &test})
                                                 : LabelMap::read(folder / options.labels);
  return text_splits(std::move(train), std::move(test), labels);
}

}  // namespace patina

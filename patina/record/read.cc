// Reads a record from JSON; every field is checked here.
#include <algorithm>

#include "patina/record/record.h"

namespace patina {

namespace {

constexpr double kLargestCount = 9007199254740992;  // 2^53: exact in a double, as JSON readers use
constexpr double kLongest = 1e10;                   // seconds, some 300 years

bool between(const Json& value, double low, double high) {
  return value.is_number() && value.get<double>() >= low && value.get<double>() <= high;
}

Score score_of(const Json& value) {
  return value.is_null() ? std::nullopt : Score(value.get<double>());
}

class Reader final : public RecordFields {
 public:
  Reader(const Json& record, std::string_view origin) : origin_(origin) {
    open_.push_back({&record, ""});
  }

  void check_schema() const {
    const Json& schema = member("schema");
    require_whole(schema, "schema", Whole::count);
    if (!between(schema, 1, double(Record::kSchema)))
      fail(ErrorKind::format,
           "{}: schema: this record has schema {}, this version of patina reads 1 to {}; report on "
           "it with the version that wrote it",
           origin_, schema.get<uint64_t>(), Record::kSchema);
  }

 private:
  struct Open {
    const Json* value;
    std::string path;
  };

  [[noreturn]] void wrong(std::string_view path, std::string_view what) const {
    fail(ErrorKind::format, "{}: {}: {} (docs/reference/record.md describes a record)", origin_,
         path, what);
  }

  void require(bool holds, const Json& value, std::string_view path, std::string_view what) const {
    if (holds) return;
    const std::string found = value.is_number() ? value.dump() : value.type_name();
    wrong(path, fmt::format("must be {}, is {}", what, found));
  }
  void require_text(const Json& value, std::string_view path) const {
    require(value.is_string(), value, path, "a string");
  }
  void require_whole(const Json& value, std::string_view path, Whole whole) const {
    const bool any = whole == Whole::any;
    require(value.is_number_integer() && (any || between(value, 0, kLargestCount)), value, path,
            any ? "a whole number" : "a whole number from 0 to 2^53");
  }
  void require_score(const Json& value, std::string_view path, Scale scale) const {
    if (scale == Scale::number)
      require(value.is_number() || value.is_null(), value, path, "a number or null");
    else
      require(between(value, 0, 1) || value.is_null(), value, path,
              "a fraction from 0 to 1, or null");
  }
  void require_entries(const Json& list, std::string_view path, const Entries& entries) const {
    require(list.is_array(), list, path, "a list");
    switch (entries.rule) {
      case Entries::Rule::any:
        break;
      case Entries::Rule::exactly:
        if (list.size() != entries.count)
          wrong(path, fmt::format("must have {} entries {}, has {}", entries.count, entries.why,
                                  list.size()));
        break;
      case Entries::Rule::up_to:
        if (list.size() > entries.count)
          wrong(path, fmt::format("has {} entries for {} tasks", list.size(), entries.count));
        break;
      case Entries::Rule::from_one_to:
        if (list.empty() || list.size() > entries.count)
          wrong(path, fmt::format("must have 1 to {} entries, has {}", entries.count, list.size()));
        break;
    }
  }

  std::string path(std::string_view key) const {
    const std::string& outer = open_.back().path;
    return outer.empty() ? std::string(key) : fmt::format("{}.{}", outer, key);
  }

  // Null if an optional field is missing.
  const Json* find(const RecordField& field) const {
    const Json& object = *open_.back().value;
    const auto found = object.find(std::string(field.key));
    if (found != object.end()) return &*found;
    if (!may_be_left_out(field.presence)) wrong(path(field.key), "missing");
    return nullptr;
  }
  const Json& member(std::string_view key) const { return *find({.key = key}); }

  // Calls `read(value, path)` for each entry of a list.
  template <class Read>
  void each_entry(const Json& list, const std::string& at, const Entries& entries,
                  const Read& read) const {
    require_entries(list, at, entries);
    for (size_t i = 0; i < list.size(); ++i) read(list[i], fmt::format("{}[{}]", at, i));
  }
  std::vector<Score> row(const Json& list, const std::string& at, const Entries& entries,
                         Scale scale = Scale::fraction) const {
    std::vector<Score> scores;
    each_entry(list, at, entries, [&](const Json& entry, const std::string& place) {
      require_score(entry, place, scale);
      scores.push_back(score_of(entry));
    });
    return scores;
  }

  void visit(const RecordField& field, std::string& value) override {
    const Json* found = find(field);
    if (!found) {
      value = field.choices.empty() ? "" : field.choices.front();
      return;
    }
    require_text(*found, path(field.key));
    value = found->get<std::string>();
    if (field.choices.empty()) return;
    std::string choices;
    for (const auto& choice : field.choices) {
      if (choice == value) return;
      choices += fmt::format("{}\"{}\"", choices.empty() ? "" : " or ", choice);
    }
    wrong(path(field.key), "must be " + choices);
  }
  void visit(const RecordField& field, int64_t& value) override {
    const Json& found = *find(field);
    require_whole(found, path(field.key), field.whole);
    value = found.get<int64_t>();
  }
  void visit(const RecordField& field, double& value) override {
    const Json& found = *find(field);
    require(between(found, 0, kLongest), found, path(field.key),
            "a number of seconds from 0 to 1e10");
    value = found.get<double>();
  }
  void visit(const RecordField& field, Score& value) override {
    const Json& found = *find(field);
    require_score(found, path(field.key), field.scale);
    value = score_of(found);
  }
  void visit(const RecordField& field, std::vector<std::string>& value) override {
    value.clear();
    each_entry(*find(field), path(field.key), field.entries,
               [&](const Json& entry, const std::string& place) {
                 require_text(entry, place);
                 value.push_back(entry.get<std::string>());
               });
  }
  void visit(const RecordField& field, std::vector<int64_t>& value) override {
    value.clear();
    each_entry(*find(field), path(field.key), field.entries,
               [&](const Json& entry, const std::string& place) {
                 require_whole(entry, place, field.whole);
                 value.push_back(entry.get<int64_t>());
               });
  }
  void visit(const RecordField& field, std::vector<Score>& value) override {
    value = row(*find(field), path(field.key), field.entries);
  }
  void visit(const RecordField& field, const Entries& columns, ScoreRows& value) override {
    value.clear();
    const Json& found = *find(field);
    if (may_be_null(field.presence) && found.is_null()) return;
    each_entry(found, path(field.key), field.entries,
               [&](const Json& entry, const std::string& place) {
                 if (entry.is_null())
                   value.emplace_back();
                 else
                   value.push_back(row(entry, place, columns, field.scale));
               });
  }
  void visit(const RecordField& field, NamedScores& value) override {
    value.clear();
    each_value(field, [&](const std::string& name, const Json& score, const std::string& place) {
      require_score(score, place, field.scale);
      value.emplace_back(name, score_of(score));
    });
  }
  void visit(const RecordField& field, NamedTexts& value) override {
    value.clear();
    each_value(field, [&](const std::string& name, const Json& text, const std::string& place) {
      require_text(text, place);
      value.emplace_back(name, text.get<std::string>());
    });
  }
  template <class Read>
  void each_value(const RecordField& field, const Read& read) const {
    const Json& object = *find(field);
    require(object.is_object(), object, path(field.key), "an object");
    for (const auto& [name, inner] : object.items())
      read(name, inner, fmt::format("{}.{}", path(field.key), name));
  }
  void visit(const RecordField& field, Json& value) override {
    const Json* found = find(field);
    value = found ? *found : Json::array();
    require_entries(value, path(field.key), field.entries);
  }

  bool enter(const RecordField& field, bool) override {
    const Json* found = find(field);
    if (!found || (may_be_null(field.presence) && found->is_null())) return false;
    if (!found->is_object()) wrong(path(field.key), "must be an object");
    open_.push_back({found, path(field.key)});
    return true;
  }
  size_t enter_list(const RecordField& field, size_t) override {
    static const Json none = Json::array();
    const Json* found = find(field);
    if (!found) found = &none;
    require_entries(*found, path(field.key), field.entries);
    open_.push_back({found, path(field.key)});
    return found->size();
  }
  void enter_entry(size_t index) override {
    const Open& list = open_.back();
    const Json& entry = (*list.value)[index];
    const std::string at = fmt::format("{}[{}]", list.path, index);
    require(entry.is_object(), entry, at, "an object");
    open_.push_back({&entry, at});
  }
  void leave() override { open_.pop_back(); }

  std::string_view origin_;
  std::vector<Open> open_;  // innermost last
};

// Schema 1 has 0 where nothing was measured: in row 0 and, unless all tasks have the same classes,
// for tasks not yet learned. The metrics that read these entries have a value that is none.
void undefine_unmeasured(Record& record) {
  const bool classes_stay = record.scenario.name == "domain_incremental";
  for (ScoreRows* rows : {&record.matrix, &record.top5_matrix})
    for (size_t after = 0; after < rows->size(); ++after) {
      auto& row = (*rows)[after];
      for (size_t task = classes_stay && after > 0 ? row.size() : after; task < row.size(); ++task)
        row[task].reset();
    }
  const AccuracyMatrix matrix = accuracy_matrix(record);
  for (auto& [name, value] : record.metrics) {
    const auto metric = std::ranges::find(metrics(), name, &Metric::name);
    if (metric != metrics().end() && !metric->value(matrix)) value.reset();
  }
}

}  // namespace

Record parse_record(const Json& json, std::string_view origin) {
  if (!json.is_object()) fail(ErrorKind::format, "{}: not a run record", origin);
  Reader reader(json, origin);
  reader.check_schema();
  Record record;
  record.bind(reader);
  if (record.schema < 2) undefine_unmeasured(record);
  record.schema = Record::kSchema;
  return record;
}

}  // namespace patina

// The fields of a run record: one `bind(RecordFields&)` per struct writes, reads, checks and
// documents it.
//
//   struct Seeds {
//     int64_t seed = 0;
//     void bind(RecordFields& f) { f("seed", seed, Whole::any, "Of everything but the order."); }
//   };
//
// The order of binding is the order in the file. What a field must be may depend on those bound
// before it: lists have an entry a task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/base/json_fwd.h"
#include "patina/eval/matrix.h"

namespace patina {

/// The integers that a field accepts.
enum class Whole { any, count };  // count: 0 to 2^53, exact in every JSON reader
/// The values that a score may have, besides null.
enum class Scale { number, fraction };  // fraction: 0 to 1
/// Whether a field is required.
enum class Presence {
  required,
  nullable,          // required, may be null
  optional,          // may be missing
  optional_or_null,  // may be missing or null
};
inline bool may_be_null(Presence presence) {
  return presence == Presence::nullable || presence == Presence::optional_or_null;
}
inline bool may_be_left_out(Presence presence) {
  return presence == Presence::optional || presence == Presence::optional_or_null;
}

/// The number of entries of a list, and its description on the reference page.
struct Entries {
  enum class Rule { any, exactly, up_to, from_one_to };
  Rule rule = Rule::any;
  size_t count = 0;
  std::string_view why;    // "(one a task)": the reason for this number
  std::string_view words;  // "T"
};
inline Entries exactly(size_t count, std::string_view why, std::string_view words) {
  return {Entries::Rule::exactly, count, why, words};
}
inline Entries up_to(size_t count, std::string_view words) {
  return {Entries::Rule::up_to, count, "", words};
}
inline Entries from_one_to(size_t count, std::string_view words) {
  return {Entries::Rule::from_one_to, count, "", words};
}

/// Rows of a matrix; an empty row was not measured and may be null in the file.
using ScoreRows = std::vector<std::vector<Score>>;
/// Values with names that the record does not define, in order.
using NamedScores = std::vector<std::pair<std::string, Score>>;
using NamedTexts = std::vector<std::pair<std::string, std::string>>;

/// The description of a field that a visitor gets.
struct RecordField {
  std::string_view key;
  std::string_view help;  // meaning and unit; "" if the name is sufficient
  Presence presence = Presence::required;
  Entries entries;
  Whole whole = Whole::any;
  Scale scale = Scale::number;
  std::vector<std::string> choices;  // for a string; empty: any
};

/// The visitor to which a record describes its fields.
class RecordFields {
 public:
  virtual ~RecordFields() = default;

  void operator()(std::string_view key, std::string& value, std::string_view help = "",
                  std::vector<std::string> choices = {});
  /// "" is written as well; where the field is missing, the first choice is read.
  void operator()(std::string_view key, std::string& value, Presence presence,
                  std::string_view help, std::vector<std::string> choices = {});
  void operator()(std::string_view key, int64_t& value, Whole whole, std::string_view help = "");
  void seconds(std::string_view key, double& value, std::string_view help = "");
  void operator()(std::string_view key, Score& value, Scale scale, std::string_view help);

  void operator()(std::string_view key, std::vector<std::string>& value, Entries entries,
                  std::string_view help);
  void operator()(std::string_view key, std::vector<int64_t>& value, Entries entries,
                  std::string_view help);
  void operator()(std::string_view key, std::vector<Score>& value, Entries entries,
                  std::string_view help);
  /// A matrix of `rows` x `columns`.
  void matrix(std::string_view key, ScoreRows& value, Entries rows, Entries columns,
              Presence presence, std::string_view help,
              Scale scale = Scale::fraction);  // no rows are written as null
  void operator()(std::string_view key, NamedScores& value, std::string_view help);
  void operator()(std::string_view key, NamedTexts& value, std::string_view help);
  /// A list of any values; omitted if empty.
  void free_list(std::string_view key, Json& value, Entries entries, std::string_view help);

  /// An object; `context` has the further arguments of its bind().
  template <class Part, class... Context>
  void object(std::string_view key, Part& part, std::string_view help = "",
              const Context&... context) {
    enter({.key = key, .help = help}, true);
    part.bind(*this, context...);
    leave();
  }
  /// An optional object.
  template <class Part>
  void object(std::string_view key, std::optional<Part>& part, Presence presence,
              std::string_view help) {
    if (!enter({.key = key, .help = help, .presence = presence}, part.has_value())) {
      part.reset();
      return;
    }
    // Not emplace(): clang 14 takes a struct nested in its record for not default constructible
    // there.
    if (!part) part = Part();
    part->bind(*this);
    leave();
  }
  /// A list of objects; if optional, omitted when empty.
  template <class Part>
  void list(std::string_view key, std::vector<Part>& parts, Entries entries, std::string_view help,
            Presence presence = Presence::required) {
    parts.resize(enter_list({.key = key, .help = help, .presence = presence, .entries = entries},
                            parts.size()));
    for (size_t i = 0; i < parts.size(); ++i) {
      enter_entry(i);
      parts[i].bind(*this);
      leave();
    }
    leave();
  }

 protected:
  /// `visit` may change the value.
  virtual void visit(const RecordField& field, std::string& value) = 0;
  virtual void visit(const RecordField& field, int64_t& value) = 0;
  virtual void visit(const RecordField& field, double& value) = 0;
  virtual void visit(const RecordField& field, Score& value) = 0;
  virtual void visit(const RecordField& field, std::vector<std::string>& value) = 0;
  virtual void visit(const RecordField& field, std::vector<int64_t>& value) = 0;
  virtual void visit(const RecordField& field, std::vector<Score>& value) = 0;
  virtual void visit(const RecordField& field, const Entries& columns, ScoreRows& value) = 0;
  virtual void visit(const RecordField& field, NamedScores& value) = 0;
  virtual void visit(const RecordField& field, NamedTexts& value) = 0;
  virtual void visit(const RecordField& field, Json& value) = 0;
  /// `there`: whether the record has it. False: it does not, and leave() is not called.
  virtual bool enter(const RecordField& field, bool there) = 0;
  /// Returns the number of entries that follow.
  virtual size_t enter_list(const RecordField& field, size_t size) = 0;
  virtual void enter_entry(size_t index) = 0;
  virtual void leave() = 0;
};

}  // namespace patina

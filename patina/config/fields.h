// Options: one `bind(Fields&)` per options struct parses, checks, prints and documents it.
//
//   struct SgdOptions {
//     double lr = 0.01;
//     double momentum = 0.9;
//     void bind(Fields& f) {
//       f("lr", lr, "Learning rate.", above(0));
//       f("momentum", momentum, "Momentum.", between(0, 1));
//     }
//   };
//
// The field name is the TOML key, the --set key and the word in the docs.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

/// The values that a number may have.
struct Range {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();
  bool low_open = false;  // the bound itself is excluded
  bool high_open = false;
  bool holds(double value) const;
  std::string text() const;  // "> 0", ">= 1", "in [0, 1]", "in [0, 1)"; "" when anything goes
};
inline Range above(double low) {
  return {.low = low, .low_open = true};
}
inline Range at_least(double low) {
  return {.low = low};
}
inline Range between(double low, double high) {
  return {.low = low, .high = high};
}

/// The description of an option that a visitor gets.
struct FieldInfo {
  std::string_view key;
  std::string_view help;  // one sentence; units and source if relevant
  Range range;
  std::vector<std::string> choices;  // for strings; empty: any
};

/// The visitor to which an options struct describes its fields.
class Fields {
 public:
  virtual ~Fields() = default;

  void operator()(std::string_view key, bool& value, std::string_view help);
  void operator()(std::string_view key, int64_t& value, std::string_view help, Range range = {});
  void operator()(std::string_view key, double& value, std::string_view help, Range range = {});
  void operator()(std::string_view key, std::string& value, std::string_view help,
                  std::vector<std::string> choices = {});
  void operator()(std::string_view key, std::vector<int64_t>& value, std::string_view help,
                  Range range = {});
  void operator()(std::string_view key, std::vector<double>& value, std::string_view help,
                  Range range = {});
  void operator()(std::string_view key, std::vector<std::string>& value, std::string_view help);

  /// A table: `[key]` in TOML. `options.bind(Fields&)` describes its contents.
  template <class Options>
  void section(std::string_view key, Options& options, std::string_view help) {
    if (!enter(key, help)) return;
    options.bind(*this);
    leave();
  }

  /// A table that a printed recipe leaves out unless it is `given`.
  template <class Options>
  void section(std::string_view key, Options& options, std::string_view help, bool given) {
    if (given || !leaves_out()) section(key, options, help);
  }

  /// A rule across fields, checked where the values are known: `f.require(a <= b, "a", "...")`.
  /// `message` completes "key: ...". A visitor that does not parse ignores it.
  virtual void require(bool holds, std::string_view key, std::string_view message);

 protected:
  /// Scalars and lists of one field; `visit` may change the value.
  virtual void visit(const FieldInfo& info, bool& value) = 0;
  virtual void visit(const FieldInfo& info, int64_t& value) = 0;
  virtual void visit(const FieldInfo& info, double& value) = 0;
  virtual void visit(const FieldInfo& info, std::string& value) = 0;
  virtual void visit(const FieldInfo& info, std::vector<int64_t>& value) = 0;
  virtual void visit(const FieldInfo& info, std::vector<double>& value) = 0;
  virtual void visit(const FieldInfo& info, std::vector<std::string>& value) = 0;
  virtual bool enter(std::string_view key, std::string_view help) = 0;  // false: skip the section
  virtual void leave() = 0;
  virtual bool leaves_out() const { return false; }  // sections that are not given
};

}  // namespace patina

// Values of a chat template: Python's, as far as templates see them.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "patina/base/json_fwd.h"

namespace patina::chat {

class Value;
using Values = std::vector<Value>;

/// Lists nested deeper are refused, so that no walk over a value exhausts the stack.
constexpr size_t kDeepestValue = 100;

struct None {};
/// What a name that is not set stands for, and why.
struct Undefined {
  std::string why;
};
/// UTF-8 with the number of its code points, which Python's lengths and indices count.
struct Text {
  std::string bytes;
  size_t points = 0;
  bool ascii() const { return points == bytes.size(); }
};
enum class SequenceKind { list, tuple, keys, values, items, range };
struct Sequence;
struct Mapping;
/// Jinja's namespace: the only value that a template can change.
struct Space;
struct Method;
struct Iterator;
struct Loop;
struct Macro;
/// Functions that every template has.
enum class Function { range, dict, space, raise_exception, strftime_now };

class Value {
 public:
  using Holder =
      std::variant<std::monostate, None, bool, int64_t, double, std::shared_ptr<const Undefined>,
                   std::shared_ptr<const Text>, std::shared_ptr<const Sequence>,
                   std::shared_ptr<const Mapping>, std::shared_ptr<Space>,
                   std::shared_ptr<const Method>, std::shared_ptr<Iterator>, std::shared_ptr<Loop>,
                   std::shared_ptr<const Macro>, Function>;

  /// Not set: the state of a variable before its first assignment.
  Value() = default;
  template <class T>
  requires(!std::is_same_v<std::remove_cvref_t<T>, Value> &&
           std::is_constructible_v<Holder, T>) explicit Value(T held)
      : holder_(std::move(held)) {}

  /// Valid UTF-8.
  static Value text(std::string bytes);
  static Value none() { return Value(None{}); }
  static Value undefined(std::string why);

  bool missing() const { return std::holds_alternative<std::monostate>(holder_); }
  bool is_none() const { return std::holds_alternative<None>(holder_); }
  bool is_undefined() const { return as<Undefined>() != nullptr; }
  /// The held object; null if the value is of another kind.
  template <class T>
  const T* as() const {
    if (const auto* held = std::get_if<std::shared_ptr<const T>>(&holder_)) return held->get();
    return nullptr;
  }
  template <class T>
  T* changeable() const {
    if (const auto* held = std::get_if<std::shared_ptr<T>>(&holder_)) return held->get();
    return nullptr;
  }
  template <class T>
  const T* plain() const {
    return std::get_if<T>(&holder_);
  }
  const Holder& holder() const { return holder_; }

  /// As a number of Python: bool is an int.
  std::optional<int64_t> whole() const;
  bool is_number() const { return plain<bool>() || plain<int64_t>() || plain<double>(); }
  /// A string's bytes; null for other kinds.
  const std::string* bytes() const {
    const auto* text = as<Text>();
    return text ? &text->bytes : nullptr;
  }

 private:
  Holder holder_;
};

struct Sequence {
  SequenceKind kind = SequenceKind::list;
  Values items;
  size_t depth = 1;
  std::array<int64_t, 3> range = {};  // of kind range: start, stop, step
};

/// Equality and hash of dict keys: 1, 1.0 and True are the same key.
struct KeyHash {
  size_t operator()(const Value& key) const;
};
struct KeyEqual {
  bool operator()(const Value& a, const Value& b) const;
};

struct Mapping {
  std::vector<std::pair<Value, Value>> entries;  // in the order of insertion
  std::unordered_map<Value, size_t, KeyHash, KeyEqual> index;
  size_t depth = 1;

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  /// Sets or replaces. Throws Error(data) for a key or a value that a dict cannot hold.
  void set(Value key, Value value);
};

struct Space {
  std::map<std::string, Value> members;
};

/// A method of a value that is not called yet.
struct Method {
  Value receiver;
  std::string name;
};

/// Gives the next element, or returns false at the end.
using Next = std::function<bool(Value&)>;

/// A generator: its elements can be taken once.
struct Iterator {
  Next next;
  size_t depth = 1;
};

/// The variable `loop` of a for loop.
struct Loop {
  Next source;
  std::optional<size_t> length;  // unknown until asked for, if the loop is over a generator
  int64_t index0 = -1;
  std::optional<Value> ahead;  // taken from the source before its turn
  bool ended = false;
  Value before, current;

  /// Makes the next element current; false at the end.
  bool advance();
  bool is_last();
  size_t count();

 private:
  bool look_ahead();
};

/// Throw Error(data) if an element cannot be held, or if the result is nested too deep.
Value make_sequence(SequenceKind kind, Values items);
Value make_list(Values items);
Value make_mapping(Mapping mapping);
Value make_iterator(Next next, const Value& over);
/// Throws Error(data) for a value that no other value may hold, such as a namespace.
void check_holdable(const Value& value);

/// Python's name of the value's type: "str", "dict", "NoneType".
std::string type_name(const Value& value);

/// Throws Error(data) for what is nested too deep. Invalid UTF-8 is replaced.
Value from_json(const Json& json);

/// Jinja's `bool(value)`.
bool truth(const Value& value);
/// len(value); nothing for a value without a length.
std::optional<size_t> length_of(const Value& value);
/// iter(value); an empty function if the value is not iterable.
Next iterate(const Value& value);

}  // namespace patina::chat

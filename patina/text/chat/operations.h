// What Python's and Jinja's operators do with values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "patina/text/chat/budget.h"
#include "patina/text/chat/python_text.h"
#include "patina/text/chat/value.h"

namespace patina::chat {

/// Operations throw Error(data) where Python raises an exception, and where the budget is spent.
class Operations {
 public:
  explicit Operations(Budget& budget) : budget_(budget) {}

  Budget& budget() { return budget_; }

  /// A text that was made, which costs by its size.
  Value made(std::string bytes);

  /// str(value) and repr(value).
  std::string text_of(const Value& value);
  std::string representation(const Value& value);

  bool equal(const Value& a, const Value& b);
  bool less(const Value& a, const Value& b, std::string_view sign = "<");
  bool compares(std::string_view sign, const Value& a, const Value& b);
  bool contains(const Value& container, const Value& item);

  Value binary(std::string_view sign, const Value& a, const Value& b);
  Value unary(std::string_view sign, const Value& a);

  /// Jinja's value.name: the value's own attributes first, then its items; and value[key], which
  /// looks for items first. What is not there is undefined.
  Value attribute(const Value& value, const std::string& name);
  Value item(const Value& value, const Value& key);
  Value slice(const Value& value, const Slice& slice);
  /// The attribute "a.b" or "0" of filters such as map.
  Value path(const Value& value, const Value& path);

  /// The elements of a value that can be iterated; each costs a step.
  Next elements(const Value& value);
  Values all(const Value& value);
  size_t length(const Value& value);
  /// Throws for a key that no dict can have, because it can change.
  void check_key(const Value& key);
  /// str.replace(), for methods and filters.
  Value replaced(std::string_view text, std::string_view old, std::string_view with, int64_t most);
  int64_t whole(const Value& value, std::string_view what);
  const std::string& string(const Value& value, std::string_view what);

 private:
  void append_text(std::string& out, const Value& value);
  void append_representation(std::string& out, const Value& value);
  void append_sequence(std::string& out, const Sequence& sequence);
  void append(std::string& out, std::string_view text);
  bool compares_sequences(std::string_view sign, const Sequence& a, const Sequence& b);
  Value arithmetic(std::string_view sign, const Value& a, const Value& b);
  Value add(const Value& a, const Value& b);
  std::optional<Value> repeated(const Value& a, const Value& b);
  Value loop_attribute(const Value& value, const std::string& name);
  Value item_of_sequence(const Value& value, const Sequence& sequence, const Value& key);

  Budget& budget_;
};

}  // namespace patina::chat

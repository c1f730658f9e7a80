// Python's pickles, read as what they are: a program that builds values. Nothing of it is executed:
// a call becomes a value that says what would be called, with which arguments.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

/// One value of a pickle. Values refer to others, several may refer to the same, and lists and
/// dicts may contain themselves.
struct PickleValue {
  enum class Kind {
    none,
    boolean,     // whole: 0 or 1
    whole,       // an integer of at most 64 bits
    big,         // a longer one: text, its bytes, little-endian two's complement
    real,        // a float
    text,        // a string
    bytes,       // text
    list,        // items
    tuple,       // items
    set,         // items
    dict,        // items: key, value, key, value ...
    global,      // text: "module.name", a class or a function
    call,        // function(arguments), with what was put into it (items) and its state
    persistent,  // what is outside the pickle; arguments says what
  };
  Kind kind = Kind::none;
  int64_t whole = 0;
  double real = 0;
  std::string text = {};
  std::vector<const PickleValue*> items = {};
  const PickleValue* function = nullptr;
  const PickleValue* arguments = nullptr;
  const PickleValue* state = nullptr;

  bool is(Kind other) const { return kind == other; }
};

/// Text of a file in a message: cut, and what is not printable ASCII replaced.
std::string shown_text(std::string_view text);

/// What one pickle (protocols 2 to 5) leaves.
class Pickle {
 public:
  static constexpr uint64_t kLongest = 256 << 20;   // bytes
  static constexpr size_t kMostValues = 4'000'000;  // that the program makes
  static constexpr size_t kLongestNumber = 16;      // bytes of an integer

  /// Reads the first pickle in `bytes`. `known` says of each class and function ("module.name")
  /// whether it may be named. Throws Error(format) with the file for a name that is not known, an
  /// opcode that torch.save does not write, a value that is not there or of another kind, an end
  /// within the program, and beyond the limits.
  static Pickle read(std::span<const uint8_t> bytes, const std::string& origin,
                     const std::function<bool(std::string_view)>& known);

  const PickleValue& root() const { return *root_; }
  size_t size() const { return size_; }  // bytes of the program

 private:
  friend class PickleMachine;
  std::deque<PickleValue> values_;
  const PickleValue* root_ = nullptr;
  size_t size_ = 0;
};

}  // namespace patina

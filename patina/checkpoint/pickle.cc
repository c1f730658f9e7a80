// The opcodes are those of Python's pickletools; each is one case here or refused.
#include "patina/checkpoint/pickle.h"

#include <bit>
#include <cstring>
#include <unordered_map>

#include "patina/base/error.h"

namespace patina {

namespace {

using Kind = PickleValue::Kind;

}  // namespace

std::string shown_text(std::string_view text) {
  constexpr size_t kLongest = 100;
  std::string out(text.substr(0, kLongest));
  for (char& c : out)
    if (c < 0x20 || c > 0x7e) c = '?';
  return text.size() > kLongest ? out + "..." : out;
}

// A stack of values, marks in it, and a memo of values by number.
class PickleMachine {
 public:
  PickleMachine(std::span<const uint8_t> bytes, const std::string& origin,
                const std::function<bool(std::string_view)>& known)
      : bytes_(bytes.first(std::min<size_t>(bytes.size(), Pickle::kLongest))),
        origin_(origin),
        known_(known) {}

  Pickle run() {
    while (!step(next<uint8_t>())) {
    }
    if (stack_.size() != 1 || !marks_.empty())
      refuse("it leaves {} values, not one", stack_.size());
    pickle_.root_ = stack_.back();
    pickle_.size_ = at_;
    return std::move(pickle_);
  }

 private:
  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> text, Args&&... args) const {
    fail(ErrorKind::format, "{}: not a pickle that patina reads: {} (byte {})", origin_,
         fmt::format(text, std::forward<Args>(args)...), at_);
  }

  // Reading the program.

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) {
      if (bytes_.size() == Pickle::kLongest) refuse("it is longer than {} bytes", Pickle::kLongest);
      refuse("it ends within a value; is the file complete?");
    }
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + at_, size_t(count));
    at_ += size_t(count);
    return text;
  }

  template <class T>
  T next() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }

  std::string_view line() {
    const auto* from = reinterpret_cast<const char*>(bytes_.data()) + at_;
    const std::string_view rest(from, bytes_.size() - at_);
    const auto end = rest.find('\n');
    if (end == rest.npos) refuse("it ends within a line; is the file complete?");
    at_ += end + 1;
    return rest.substr(0, end);
  }

  double big_endian_real() {
    uint64_t bits = 0;
    for (const char c : take(8)) bits = bits << 8 | uint8_t(c);
    return std::bit_cast<double>(bits);
  }

  // Making values.

  PickleValue& made(Kind kind) {
    if (pickle_.values_.size() >= Pickle::kMostValues)
      refuse("it makes more than {} values", Pickle::kMostValues);
    PickleValue& value = pickle_.values_.emplace_back();
    value.kind = kind;
    return value;
  }
  void push(PickleValue* value) { stack_.push_back(value); }
  void push_text(Kind kind, std::string_view text) {
    PickleValue& value = made(kind);
    value.text = text;
    push(&value);
  }
  void push_whole(int64_t number) {
    PickleValue& value = made(Kind::whole);
    value.whole = number;
    push(&value);
  }
  void push_flag(bool flag) {
    PickleValue& value = made(Kind::boolean);
    value.whole = flag;
    push(&value);
  }
  void push_long(std::string_view bytes) {
    if (bytes.size() > Pickle::kLongestNumber)
      refuse("an integer of {} bytes, more than {}", bytes.size(), Pickle::kLongestNumber);
    if (bytes.size() > 8) return push_text(Kind::big, bytes);
    uint64_t number = !bytes.empty() && (bytes.back() & 0x80) ? ~uint64_t{0} : 0;
    for (size_t i = bytes.size(); i-- > 0;) number = number << 8 | uint8_t(bytes[i]);
    push_whole(int64_t(number));
  }
  void push_global(std::string name) {
    if (!known_(name))
      refuse(
          "it names {}, which is not among the classes and functions of weights, and patina "
          "executes none. In Python, torch.load(file, weights_only=False) loads it if you trust "
          "it; "
          "save the weights alone: torch.save(model.state_dict(), file)",
          shown_text(name));
    PickleValue& value = made(Kind::global);
    value.text = std::move(name);
    push(&value);
  }

  // Taking them.

  // Values above the last mark belong to it and cannot be taken one by one.
  PickleValue* top() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) refuse("a value is not there");
    return stack_.back();
  }
  PickleValue* pop() {
    PickleValue* value = top();
    stack_.pop_back();
    return value;
  }
  std::vector<const PickleValue*> pop_to_mark() {
    if (marks_.empty()) refuse("a mark is not there");
    const auto from = stack_.begin() + std::ptrdiff_t(marks_.back());
    std::vector<const PickleValue*> values(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return values;
  }
  std::vector<const PickleValue*> pop_last(size_t count) {
    std::vector<const PickleValue*> values(count);
    for (size_t i = count; i-- > 0;) values[i] = pop();
    return values;
  }

  void push_items(Kind kind, std::vector<const PickleValue*> items) {
    if (kind == Kind::dict && items.size() % 2 != 0) refuse("a key has no value");
    PickleValue& value = made(kind);
    value.items = std::move(items);
    push(&value);
  }
  // Adds to the collection below: a list's items, a set's, a dict's pairs. A call (OrderedDict())
  // takes each.
  void add(Kind kind, const std::vector<const PickleValue*>& items) {
    PickleValue* to = top();
    if (!to->is(kind) && !to->is(Kind::call))
      refuse("something is put into a value of another kind");
    if (kind == Kind::dict && items.size() % 2 != 0) refuse("a key has no value");
    to->items.insert(to->items.end(), items.begin(), items.end());
  }

  void call(bool class_only) {
    const PickleValue* arguments = pop();
    const PickleValue* function = pop();
    if (!function->is(Kind::global) || !arguments->is(Kind::tuple))
      refuse("a call is not of a {} with a tuple", class_only ? "class" : "function");
    PickleValue& value = made(Kind::call);
    value.function = function;
    value.arguments = arguments;
    push(&value);
  }
  void build() {
    const PickleValue* state = pop();
    PickleValue* of = top();
    if (!of->is(Kind::call)) refuse("a state is given to what is no object");
    of->state = state;
  }
  void persistent() {
    const PickleValue* what = pop();
    PickleValue& value = made(Kind::persistent);
    value.arguments = what;
    push(&value);
  }

  void put(uint32_t place) { memo_[place] = top(); }
  void get(uint32_t place) {
    const auto found = memo_.find(place);
    if (found == memo_.end()) refuse("the value {} of the memo is not there", place);
    push(found->second);
  }

  // Executes one opcode; true: it was the last.
  bool step(uint8_t opcode) {
    switch (opcode) {
      case 0x80:  // PROTO
        if (const auto protocol = next<uint8_t>(); protocol < 2 || protocol > 5)
          refuse("protocol {}; 2 to 5 are read", protocol);
        return false;
      case 0x95:  // FRAME: a hint for readers of streams
        next<uint64_t>();
        return false;
      case '.':  // STOP
        return true;

      case '(':  // MARK
        marks_.push_back(stack_.size());
        return false;
      case '0':  // POP
        pop();
        return false;
      case '1':  // POP_MARK
        pop_to_mark();
        return false;
      case '2':  // DUP
        push(top());
        return false;

      case 'N':  // NONE
        push(&made(Kind::none));
        return false;
      case 0x88:  // NEWTRUE
        push_flag(true);
        return false;
      case 0x89:  // NEWFALSE
        push_flag(false);
        return false;
      case 'K':  // BININT1
        push_whole(next<uint8_t>());
        return false;
      case 'M':  // BININT2
        push_whole(next<uint16_t>());
        return false;
      case 'J':  // BININT
        push_whole(next<int32_t>());
        return false;
      case 0x8a:  // LONG1
        push_long(take(next<uint8_t>()));
        return false;
      case 0x8b:  // LONG4
        push_long(take(next<uint32_t>()));
        return false;
      case 'G':  // BINFLOAT
      {
        PickleValue& value = made(Kind::real);
        value.real = big_endian_real();
        push(&value);
        return false;
      }

      case 'X':  // BINUNICODE
      case 'T':  // BINSTRING, of Python 2
        push_text(Kind::text, take(next<uint32_t>()));
        return false;
      case 0x8c:  // SHORT_BINUNICODE
      case 'U':   // SHORT_BINSTRING, of Python 2
        push_text(Kind::text, take(next<uint8_t>()));
        return false;
      case 0x8d:  // BINUNICODE8
        push_text(Kind::text, take(next<uint64_t>()));
        return false;
      case 'C':  // SHORT_BINBYTES
        push_text(Kind::bytes, take(next<uint8_t>()));
        return false;
      case 'B':  // BINBYTES
        push_text(Kind::bytes, take(next<uint32_t>()));
        return false;
      case 0x8e:  // BINBYTES8
        push_text(Kind::bytes, take(next<uint64_t>()));
        return false;

      case ']':  // EMPTY_LIST
        push_items(Kind::list, {});
        return false;
      case 'l':  // LIST
        push_items(Kind::list, pop_to_mark());
        return false;
      case 'a':  // APPEND
      {
        const PickleValue* item = pop();
        add(Kind::list, {item});
        return false;
      }
      case 'e':  // APPENDS
      {
        const auto items = pop_to_mark();
        add(Kind::list, items);
        return false;
      }

      case ')':  // EMPTY_TUPLE
        push_items(Kind::tuple, {});
        return false;
      case 't':  // TUPLE
        push_items(Kind::tuple, pop_to_mark());
        return false;
      case 0x85:  // TUPLE1
      case 0x86:  // TUPLE2
      case 0x87:  // TUPLE3
        push_items(Kind::tuple, pop_last(opcode - 0x84u));
        return false;

      case '}':  // EMPTY_DICT
        push_items(Kind::dict, {});
        return false;
      case 'd':  // DICT
        push_items(Kind::dict, pop_to_mark());
        return false;
      case 's':  // SETITEM
      {
        const auto pair = pop_last(2);
        add(Kind::dict, pair);
        return false;
      }
      case 'u':  // SETITEMS
      {
        const auto items = pop_to_mark();
        add(Kind::dict, items);
        return false;
      }

      case 0x8f:  // EMPTY_SET
        push_items(Kind::set, {});
        return false;
      case 0x90:  // ADDITEMS
      {
        const auto items = pop_to_mark();
        add(Kind::set, items);
        return false;
      }
      case 0x91:  // FROZENSET
        push_items(Kind::set, pop_to_mark());
        return false;

      case 'c':  // GLOBAL
      {
        const std::string module(line());
        push_global(module + "." + std::string(line()));
        return false;
      }
      case 0x93:  // STACK_GLOBAL
      {
        const auto names = pop_last(2);
        if (!names[0]->is(Kind::text) || !names[1]->is(Kind::text))
          refuse("the name of a class is no text");
        push_global(names[0]->text + "." + names[1]->text);
        return false;
      }
      case 'R':  // REDUCE
        call(/*class_only=*/false);
        return false;
      case 0x81:  // NEWOBJ
        call(/*class_only=*/true);
        return false;
      case 'b':  // BUILD
        build();
        return false;
      case 'Q':  // BINPERSID
        persistent();
        return false;

      case 'q':  // BINPUT
        put(next<uint8_t>());
        return false;
      case 'r':  // LONG_BINPUT
        put(next<uint32_t>());
        return false;
      case 0x94:  // MEMOIZE
        put(uint32_t(memo_.size()));
        return false;
      case 'h':  // BINGET
        get(next<uint8_t>());
        return false;
      case 'j':  // LONG_BINGET
        get(next<uint32_t>());
        return false;

      default:
        refuse("opcode {:#04x}, which torch.save does not write", opcode);
    }
  }

  std::span<const uint8_t> bytes_;
  const std::string& origin_;
  const std::function<bool(std::string_view)>& known_;
  size_t at_ = 0;
  Pickle pickle_;
  std::vector<PickleValue*> stack_;
  std::vector<size_t> marks_;  // sizes of the stack
  std::unordered_map<uint32_t, PickleValue*> memo_;
};

Pickle Pickle::read(std::span<const uint8_t> bytes, const std::string& origin,
                    const std::function<bool(std::string_view)>& known) {
  return PickleMachine(bytes, origin, known).run();
}

}  // namespace patina

#include "patina/text/chat/operations.h"

#include <algorithm>
#include <charconv>
#include <memory>

#include "patina/text/chat/methods.h"
#include "patina/text/unicode/unicode.h"

namespace patina::chat {

namespace {

// Jinja's name of what an attribute was looked for in.
std::string object_name(const Value& value) {
  return value.is_none() ? "None" : type_name(value) + " object";
}

Value without_attribute(const Value& value, const std::string& name) {
  return Value::undefined(fmt::format("'{}' has no attribute '{}'", object_name(value), name));
}

[[noreturn]] void unsupported(std::string_view sign, const Value& a, const Value& b) {
  for (const auto* value : {&a, &b})
    if (const auto* undefined = value->as<Undefined>()) wrong("{}", undefined->why);
  wrong("\"{}\" is not possible for {} and {}", sign, type_name(a), type_name(b));
}

// Wide enough that a comparison of an int64 with a double is exact.
long double number(const Value& value) {
  const auto whole = value.whole();
  return whole ? static_cast<long double>(*whole) : *value.plain<double>();
}

}  // namespace

Value Operations::made(std::string bytes) {
  budget_.spend_for(bytes.size());
  return Value::text(std::move(bytes));
}

void Operations::append(std::string& out, std::string_view text) {
  budget_.spend_for(text.size());
  if (out.size() + text.size() > budget_.limits().bytes)
    wrong("a text has more than {} bytes", budget_.limits().bytes);
  out += text;
}

std::string Operations::text_of(const Value& value) {
  std::string out;
  append_text(out, value);
  return out;
}

std::string Operations::representation(const Value& value) {
  std::string out;
  append_representation(out, value);
  return out;
}

void Operations::append_text(std::string& out, const Value& value) {
  if (const auto* bytes = value.bytes())
    append(out, *bytes);
  else if (!value.is_undefined() && !value.missing())
    append_representation(out, value);
}

void Operations::append_sequence(std::string& out, const Sequence& sequence) {
  if (sequence.kind == SequenceKind::range) {
    const auto& [start, stop, step] = sequence.range;
    append(out, step == 1 ? fmt::format("range({}, {})", start, stop)
                          : fmt::format("range({}, {}, {})", start, stop, step));
    return;
  }
  constexpr std::pair<const char*, const char*> kBrackets[] = {{"[", "]"},
                                                               {"(", ")"},
                                                               {"dict_keys([", "])"},
                                                               {"dict_values([", "])"},
                                                               {"dict_items([", "])"}};
  const auto& [open, close] = kBrackets[size_t(sequence.kind)];
  append(out, open);
  for (size_t i = 0; i < sequence.items.size(); ++i) {
    if (i > 0) append(out, ", ");
    append_representation(out, sequence.items[i]);
  }
  if (sequence.kind == SequenceKind::tuple && sequence.items.size() == 1) append(out, ",");
  append(out, close);
}

void Operations::append_representation(std::string& out, const Value& value) {
  budget_.spend(1);
  if (value.is_none()) {
    append(out, "None");
  } else if (value.is_undefined()) {
    append(out, "Undefined");
  } else if (const auto* flag = value.plain<bool>()) {
    append(out, *flag ? "True" : "False");
  } else if (const auto* whole = value.plain<int64_t>()) {
    append(out, std::to_string(*whole));
  } else if (const auto* real = value.plain<double>()) {
    append(out, represented(*real));
  } else if (const auto* bytes = value.bytes()) {
    append(out, represented(*bytes));
  } else if (const auto* sequence = value.as<Sequence>()) {
    append_sequence(out, *sequence);
  } else if (const auto* mapping = value.as<Mapping>()) {
    append(out, "{");
    for (size_t i = 0; i < mapping->entries.size(); ++i) {
      if (i > 0) append(out, ", ");
      append_representation(out, mapping->entries[i].first);
      append(out, ": ");
      append_representation(out, mapping->entries[i].second);
    }
    append(out, "}");
  } else {
    wrong("a {} has no text{}", type_name(value),
          value.changeable<Iterator>() ? "; the filter \"list\" makes a list of it" : "");
  }
}

bool Operations::equal(const Value& a, const Value& b) {
  budget_.spend(1);
  if (const auto* left = a.as<Sequence>()) {
    const auto* right = b.as<Sequence>();
    if (!right || left->kind != right->kind) return false;
    if (left->kind == SequenceKind::keys || left->kind == SequenceKind::values ||
        left->kind == SequenceKind::items)
      wrong("comparing {} is not supported; the filter \"list\" makes lists of them", type_name(a));
    return std::equal(left->items.begin(), left->items.end(), right->items.begin(),
                      right->items.end(),
                      [&](const Value& x, const Value& y) { return equal(x, y); });
  }
  if (const auto* left = a.as<Mapping>()) {
    const auto* right = b.as<Mapping>();
    if (!right || left->entries.size() != right->entries.size()) return false;
    return std::all_of(left->entries.begin(), left->entries.end(), [&](const auto& entry) {
      const Value* other = right->find(entry.first);
      return other && equal(entry.second, *other);
    });
  }
  if (a.bytes() && b.bytes()) {
    budget_.spend_for(std::min(a.bytes()->size(), b.bytes()->size()));
    return *a.bytes() == *b.bytes();
  }
  if (a.is_undefined() || b.is_undefined()) return a.is_undefined() && b.is_undefined();
  if (const auto* x = a.changeable<Space>(), *y = b.changeable<Space>(); x || y) return x == y;
  return KeyEqual()(a, b);
}

bool Operations::less(const Value& a, const Value& b, std::string_view sign) {
  if (a.is_number() && b.is_number()) return number(a) < number(b);
  // The order of UTF-8's bytes is that of the code points.
  if (a.bytes() && b.bytes()) return *a.bytes() < *b.bytes();
  unsupported(sign, a, b);
}

bool Operations::compares(std::string_view sign, const Value& a, const Value& b) {
  if (sign == "==") return equal(a, b);
  if (sign == "!=") return !equal(a, b);
  if (sign == "in") return contains(b, a);
  if (sign == "not in") return !contains(b, a);
  if (a.is_number() && b.is_number()) {  // no order for NaN
    const long double x = number(a), y = number(b);
    return sign == "<" ? x < y : sign == "<=" ? x <= y : sign == ">" ? x > y : x >= y;
  }
  if (const auto* x = a.as<Sequence>(), *y = b.as<Sequence>(); x && y && x->kind == y->kind)
    if (x->kind == SequenceKind::list || x->kind == SequenceKind::tuple)
      return compares_sequences(sign, *x, *y);
  if (sign == "<") return less(a, b, sign);
  if (sign == ">") return less(b, a, sign);
  return sign == "<=" ? !less(b, a, sign) : !less(a, b, sign);
}

// By the first elements that differ, or else by their number.
bool Operations::compares_sequences(std::string_view sign, const Sequence& a, const Sequence& b) {
  const size_t both = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < both; ++i)
    if (!equal(a.items[i], b.items[i])) return compares(sign, a.items[i], b.items[i]);
  return compares(sign, Value(int64_t(a.items.size())), Value(int64_t(b.items.size())));
}

bool Operations::contains(const Value& container, const Value& item) {
  if (const auto* text = container.bytes()) {
    const auto* part = item.bytes();
    if (!part) wrong("only a str can be in a str, not a {}", type_name(item));
    budget_.spend_for_search(text->size(), part->size());
    return text->find(*part) != std::string::npos;
  }
  if (const auto* mapping = container.as<Mapping>()) {
    check_key(item);
    return mapping->find(item) != nullptr;
  }
  const Next next = elements(container);
  for (Value element; next(element);)
    if (equal(element, item)) return true;
  return false;
}

void Operations::check_key(const Value& key) {
  const auto* sequence = key.as<Sequence>();
  const bool immutable =
      sequence && (sequence->kind == SequenceKind::tuple || sequence->kind == SequenceKind::range);
  if (key.as<Mapping>() || (sequence && !immutable))
    wrong("a {} cannot be the key of a dict", type_name(key));
  budget_.spend(1);
  if (sequence && sequence->kind == SequenceKind::tuple)
    for (const auto& item : sequence->items) check_key(item);
}

Value Operations::add(const Value& a, const Value& b) {
  if (a.bytes() && b.bytes()) {
    budget_.spend_for(a.bytes()->size() + b.bytes()->size());
    return Value::text(*a.bytes() + *b.bytes());
  }
  const auto *left = a.as<Sequence>(), *right = b.as<Sequence>();
  if (!left || !right || left->kind != right->kind ||
      (left->kind != SequenceKind::list && left->kind != SequenceKind::tuple))
    unsupported("+", a, b);
  budget_.spend_for(left->items.size() + right->items.size());
  Values items = left->items;
  items.insert(items.end(), right->items.begin(), right->items.end());
  return make_sequence(left->kind, std::move(items));
}

// A text or a list, so many times.
std::optional<Value> Operations::repeated(const Value& a, const Value& b) {
  if (!a.bytes() && !a.as<Sequence>()) {
    if (!b.bytes() && !b.as<Sequence>()) return std::nullopt;
    return repeated(b, a);
  }
  const auto times = b.whole();
  if (!times) return std::nullopt;
  const size_t count = size_t(std::max<int64_t>(*times, 0));
  const auto* sequence = a.as<Sequence>();
  const size_t size = sequence ? sequence->items.size() : a.bytes()->size();
  size_t total = 0;
  if (__builtin_mul_overflow(size, count, &total)) total = SIZE_MAX;
  budget_.spend_for(total);
  if (!sequence) {
    std::string text;
    text.reserve(total);
    for (size_t i = 0; size > 0 && i < count; ++i) text += *a.bytes();
    return Value::text(std::move(text));
  }
  if (sequence->kind != SequenceKind::list && sequence->kind != SequenceKind::tuple)
    return std::nullopt;
  Values items;
  for (size_t i = 0; size > 0 && i < count; ++i)
    items.insert(items.end(), sequence->items.begin(), sequence->items.end());
  return make_sequence(sequence->kind, std::move(items));
}

Value Operations::binary(std::string_view sign, const Value& a, const Value& b) {
  budget_.spend(1);
  if (a.is_number() && b.is_number()) return arithmetic(sign, a, b);
  if (sign == "+") return add(a, b);
  if (sign == "*")
    if (auto result = repeated(a, b)) return *result;
  if (sign == "%" && a.bytes()) wrong("formatting a str with % is not supported");
  unsupported(sign, a, b);
}

Value Operations::unary(std::string_view sign, const Value& a) {
  const bool minus = sign == "-";
  if (const auto whole = a.whole()) {
    if (minus && *whole == INT64_MIN) wrong("a number does not fit into 64 bits");
    return Value(minus ? -*whole : *whole);
  }
  if (const auto* real = a.plain<double>()) return Value(minus ? -*real : *real);
  if (const auto* undefined = a.as<Undefined>()) wrong("{}", undefined->why);
  wrong("\"{}\" is not possible for {}", sign, type_name(a));
}

Value Operations::loop_attribute(const Value& value, const std::string& name) {
  Loop& loop = *value.changeable<Loop>();
  const auto count = [&] { return int64_t(loop.count()); };
  if (name == "index") return Value(loop.index0 + 1);
  if (name == "index0") return Value(loop.index0);
  if (name == "first") return Value(loop.index0 == 0);
  if (name == "last") return Value(loop.is_last());
  if (name == "length") return Value(count());
  if (name == "revindex") return Value(count() - loop.index0);
  if (name == "revindex0") return Value(count() - loop.index0 - 1);
  if (name == "depth") return Value(int64_t{1});
  if (name == "depth0") return Value(int64_t{0});
  if (name == "previtem")
    return loop.index0 == 0 ? Value::undefined("there is no previous item") : loop.before;
  if (name == "nextitem")
    return loop.is_last() ? Value::undefined("there is no next item") : *loop.ahead;
  if (name == "cycle" || name == "changed") wrong("loop.{} is not supported", name);
  return without_attribute(value, name);
}

Value Operations::attribute(const Value& value, const std::string& name) {
  budget_.spend(1);
  if (const auto* undefined = value.as<Undefined>()) wrong("{}", undefined->why);
  if (value.changeable<Loop>()) return loop_attribute(value, name);
  if (name.starts_with("__") || changes(value, name))
    return Value::undefined(
        fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(value)));
  if (has_method(value, name)) return Value(std::make_shared<const Method>(Method{value, name}));
  if (const auto* mapping = value.as<Mapping>())
    if (const Value* found = mapping->find(name)) return *found;
  if (const auto* space = value.changeable<Space>())
    if (const auto found = space->members.find(name); found != space->members.end())
      return found->second;
  return without_attribute(value, name);
}

Value Operations::item_of_sequence(const Value& value, const Sequence& sequence, const Value& key) {
  const auto index = key.whole();
  const bool has_items = sequence.kind == SequenceKind::list ||
                         sequence.kind == SequenceKind::tuple ||
                         sequence.kind == SequenceKind::range;
  const int64_t size = int64_t(sequence.items.size());
  const int64_t at = index && *index < 0 && *index >= -size ? *index + size : index.value_or(-1);
  if (has_items && at >= 0 && at < size) return sequence.items[size_t(at)];
  return Value::undefined(
      fmt::format("{} has no element {}", object_name(value), representation(key)));
}

Value Operations::item(const Value& value, const Value& key) {
  budget_.spend(1);
  if (const auto* undefined = value.as<Undefined>()) wrong("{}", undefined->why);
  if (const auto* mapping = value.as<Mapping>())
    if (const Value* found = mapping->find(key)) return *found;
  if (const auto* name = key.bytes()) return attribute(value, *name);
  if (const auto* sequence = value.as<Sequence>()) return item_of_sequence(value, *sequence, key);
  if (const auto* text = value.as<Text>())
    if (const auto index = key.whole(); index && *index >= -int64_t(text->points)) {
      Slice one{.start = *index};
      if (*index != -1) one.stop = *index + 1;
      budget_.spend_for(text->ascii() ? 1 : text->bytes.size());
      if (const Places places = places_of(one, text->points); places.count == 1)
        return Value::text(sliced(*text, places));
    }
  return Value::undefined(
      fmt::format("{} has no element {}", object_name(value), representation(key)));
}

Value Operations::slice(const Value& value, const Slice& slice) {
  if (const auto* text = value.as<Text>()) {
    budget_.spend_for(text->bytes.size());
    return Value::text(sliced(*text, places_of(slice, text->points)));
  }
  const auto* sequence = value.as<Sequence>();
  if (const auto* undefined = value.as<Undefined>()) wrong("{}", undefined->why);
  if (!sequence || (sequence->kind != SequenceKind::list && sequence->kind != SequenceKind::tuple &&
                    sequence->kind != SequenceKind::range))
    wrong("a {} has no slices", type_name(value));
  const Places places = places_of(slice, sequence->items.size());
  budget_.spend_for(places.count);
  Values items;
  for (size_t i = 0; i < places.count; ++i)
    items.push_back(sequence->items[size_t(places.first + int64_t(i) * places.step)]);
  if (sequence->kind != SequenceKind::range) return make_sequence(sequence->kind, std::move(items));
  const auto& [start, stop, step] = sequence->range;
  Sequence part{.kind = SequenceKind::range, .items = std::move(items)};
  int64_t apart = 0;
  if (__builtin_mul_overflow(step, places.step, &apart))
    wrong("a number does not fit into 64 bits");
  part.range = {start + places.first * step, start + places.stop * step, apart};
  return Value(std::make_shared<const Sequence>(std::move(part)));
}

Value Operations::path(const Value& value, const Value& path) {
  const auto* text = path.bytes();
  if (!text) return item(value, path);
  Value at = value;
  for (const auto& part : split(*text, ".", -1, false)) {
    const bool digits = !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
    int64_t index = 0;
    if (digits && std::from_chars(part.data(), part.data() + part.size(), index).ec != std::errc())
      wrong("the index {} does not fit into 64 bits", part);
    at = item(at, digits ? Value(index) : Value::text(part));
  }
  return at;
}

Next Operations::elements(const Value& value) {
  Next next = iterate(value);
  if (!next) wrong("a {} cannot be iterated", type_name(value));
  return [this, next = std::move(next)](Value& to) {
    budget_.spend(1);
    return next(to);
  };
}

Values Operations::all(const Value& value) {
  Values list;
  const Next next = elements(value);
  for (Value element; next(element);) list.push_back(std::move(element));
  return list;
}

size_t Operations::length(const Value& value) {
  const auto length = length_of(value);
  if (!length) wrong("a {} has no length", type_name(value));
  return *length;
}

Value Operations::replaced(std::string_view text, std::string_view old, std::string_view with,
                           int64_t most) {
  budget_.spend_for_search(text.size(), old.size());
  size_t times = count_of(text, old);
  if (most >= 0) times = std::min(times, size_t(most));
  size_t added = 0;
  if (__builtin_mul_overflow(times, with.size(), &added)) added = SIZE_MAX / 2;
  budget_.spend_for(text.size() + added);
  return Value::text(chat::replaced(text, old, with, most));
}

int64_t Operations::whole(const Value& value, std::string_view what) {
  const auto whole = value.whole();
  if (!whole) wrong("{} must be an int, not a {}", what, type_name(value));
  return *whole;
}

const std::string& Operations::string(const Value& value, std::string_view what) {
  const auto* bytes = value.bytes();
  if (!bytes) wrong("{} must be a str, not a {}", what, type_name(value));
  return *bytes;
}

}  // namespace patina::chat

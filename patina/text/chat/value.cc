#include "patina/text/chat/value.h"

#include <algorithm>

#include "patina/base/json.h"
#include "patina/text/chat/source.h"
#include "patina/text/unicode/unicode.h"

namespace patina::chat {

namespace {

size_t depth_of(const Value& value) {
  if (const auto* sequence = value.as<Sequence>()) return sequence->depth;
  if (const auto* mapping = value.as<Mapping>()) return mapping->depth;
  if (const auto* iterator = value.changeable<Iterator>()) return iterator->depth;
  if (const auto* method = value.as<Method>()) return depth_of(method->receiver) + 1;
  return 0;
}

size_t depth_around(const Value& value) {
  check_holdable(value);
  const size_t depth = depth_of(value) + 1;
  if (depth > kDeepestValue) wrong("a value is nested deeper than {} levels", kDeepestValue);
  return depth;
}

Next over(std::shared_ptr<const Sequence> sequence) {
  return [sequence = std::move(sequence), at = size_t{0}](Value& to) mutable {
    if (at >= sequence->items.size()) return false;
    to = sequence->items[at++];
    return true;
  };
}

Next over_keys(std::shared_ptr<const Mapping> mapping) {
  return [mapping = std::move(mapping), at = size_t{0}](Value& to) mutable {
    if (at >= mapping->entries.size()) return false;
    to = mapping->entries[at++].first;
    return true;
  };
}

Next over_characters(std::shared_ptr<const Text> text) {
  return [text = std::move(text), at = size_t{0}](Value& to) mutable {
    if (at >= text->bytes.size()) return false;
    const size_t begin = at;
    next_code_point(text->bytes, at);
    to = Value::text(text->bytes.substr(begin, at - begin));
    return true;
  };
}

Value from_json_at(const Json& json, size_t depth) {
  if (depth > kDeepestValue) wrong("the input is nested deeper than {} levels", kDeepestValue);
  switch (json.type()) {
    case Json::value_t::string:
      return Value::text(repaired_utf8(json.get_ref<const std::string&>()));
    case Json::value_t::boolean:
      return Value(json.get<bool>());
    case Json::value_t::number_integer:
      return Value(json.get<int64_t>());
    case Json::value_t::number_unsigned:
      if (json.get<uint64_t>() > uint64_t(INT64_MAX))
        wrong("{} does not fit into 64 bits", json.get<uint64_t>());
      return Value(json.get<int64_t>());
    case Json::value_t::number_float:
      return Value(json.get<double>());
    case Json::value_t::array: {
      Values items;
      for (const auto& item : json) items.push_back(from_json_at(item, depth + 1));
      return make_list(std::move(items));
    }
    case Json::value_t::object: {
      Mapping mapping;
      for (const auto& [key, item] : json.items())
        mapping.set(Value::text(repaired_utf8(key)), from_json_at(item, depth + 1));
      return make_mapping(std::move(mapping));
    }
    default:
      return Value::none();
  }
}

}  // namespace

Value Value::text(std::string bytes) {
  const size_t points = count_code_points(bytes);
  return Value(std::make_shared<const Text>(Text{std::move(bytes), points}));
}

Value Value::undefined(std::string why) {
  return Value(std::make_shared<const Undefined>(Undefined{std::move(why)}));
}

std::optional<int64_t> Value::whole() const {
  if (const auto* flag = plain<bool>()) return *flag ? 1 : 0;
  if (const auto* number = plain<int64_t>()) return *number;
  return std::nullopt;
}

size_t KeyHash::operator()(const Value& key) const {
  if (const auto whole = key.whole()) return std::hash<double>()(double(*whole));
  if (const auto* number = key.plain<double>()) return std::hash<double>()(*number);
  if (const auto* bytes = key.bytes()) return std::hash<std::string>()(*bytes);
  return 0;
}

bool KeyEqual::operator()(const Value& a, const Value& b) const {
  if (a.is_number() && b.is_number()) {
    const auto x = a.whole(), y = b.whole();
    if (x && y) return *x == *y;
    const auto number = [](const Value& value) {
      const auto whole = value.whole();
      return whole ? static_cast<long double>(*whole) : *value.plain<double>();
    };
    return number(a) == number(b);
  }
  if (a.bytes() && b.bytes()) return *a.bytes() == *b.bytes();
  return a.is_none() && b.is_none();
}

const Value* Mapping::find(const Value& key) const {
  const auto found = index.find(key);
  return found == index.end() ? nullptr : &entries[found->second].second;
}

const Value* Mapping::find(std::string_view key) const {
  return find(Value::text(std::string(key)));
}

void Mapping::set(Value key, Value value) {
  if (!key.is_number() && !key.bytes() && !key.is_none())
    wrong("a {} as the key of a dict is not supported", type_name(key));
  depth = std::max(depth, depth_around(value));
  const auto [at, is_new] = index.try_emplace(key, entries.size());
  if (is_new)
    entries.emplace_back(std::move(key), std::move(value));
  else
    entries[at->second].second = std::move(value);
}

bool Loop::look_ahead() {
  if (ahead) return true;
  if (ended) return false;
  Value next;
  if (source(next))
    ahead = std::move(next);
  else
    ended = true;
  return ahead.has_value();
}

bool Loop::advance() {
  if (!look_ahead()) return false;
  ++index0;
  before = std::move(current);
  current = std::move(*ahead);
  ahead.reset();
  return true;
}

bool Loop::is_last() {
  return !look_ahead();
}

size_t Loop::count() {
  if (length) return *length;
  auto rest = std::make_shared<Sequence>();
  if (ahead) rest->items.push_back(std::move(*ahead));
  ahead.reset();
  for (Value next; !ended && source(next);) rest->items.push_back(std::move(next));
  ended = false;
  length = rest->items.size() + size_t(index0 + 1);
  source = over(std::move(rest));
  return *length;
}

Value make_sequence(SequenceKind kind, Values items) {
  Sequence sequence{.kind = kind, .items = std::move(items)};
  for (const auto& item : sequence.items)
    sequence.depth = std::max(sequence.depth, depth_around(item));
  return Value(std::make_shared<const Sequence>(std::move(sequence)));
}

Value make_list(Values items) {
  return make_sequence(SequenceKind::list, std::move(items));
}

Value make_mapping(Mapping mapping) {
  return Value(std::make_shared<const Mapping>(std::move(mapping)));
}

Value make_iterator(Next next, const Value& over) {
  return Value(std::make_shared<Iterator>(Iterator{std::move(next), depth_around(over)}));
}

// A cycle of values would have no end.
void check_holdable(const Value& value) {
  if (value.changeable<Space>() || value.changeable<Loop>() || value.as<Macro>())
    wrong("a {} inside another value is not supported", type_name(value));
}

std::string type_name(const Value& value) {
  if (value.is_undefined() || value.missing()) return "Undefined";
  if (value.is_none()) return "NoneType";
  if (value.plain<bool>()) return "bool";
  if (value.plain<int64_t>()) return "int";
  if (value.plain<double>()) return "float";
  if (value.bytes()) return "str";
  if (value.as<Mapping>()) return "dict";
  if (const auto* sequence = value.as<Sequence>()) {
    constexpr const char* kNames[] = {"list",        "tuple",      "dict_keys",
                                      "dict_values", "dict_items", "range"};
    return kNames[size_t(sequence->kind)];
  }
  if (value.changeable<Space>()) return "namespace";
  if (value.changeable<Iterator>()) return "generator";
  if (value.changeable<Loop>()) return "loop";
  if (value.as<Macro>()) return "macro";
  return value.as<Method>() ? "method" : "function";
}

Value from_json(const Json& json) {
  return from_json_at(json, 0);
}

bool truth(const Value& value) {
  if (value.missing() || value.is_none() || value.is_undefined()) return false;
  if (const auto whole = value.whole()) return *whole != 0;
  if (const auto* number = value.plain<double>()) return *number != 0;
  if (const auto length = length_of(value)) return *length > 0;
  return true;
}

std::optional<size_t> length_of(const Value& value) {
  if (value.is_undefined()) return 0;
  if (const auto* text = value.as<Text>()) return text->points;
  if (const auto* sequence = value.as<Sequence>()) return sequence->items.size();
  if (const auto* mapping = value.as<Mapping>()) return mapping->entries.size();
  if (auto* loop = value.changeable<Loop>()) return loop->count();
  return std::nullopt;
}

Next iterate(const Value& value) {
  const auto& holder = value.holder();
  if (value.is_undefined()) return [](Value&) { return false; };
  if (const auto* text = std::get_if<std::shared_ptr<const Text>>(&holder))
    return over_characters(*text);
  if (const auto* sequence = std::get_if<std::shared_ptr<const Sequence>>(&holder))
    return over(*sequence);
  if (const auto* mapping = std::get_if<std::shared_ptr<const Mapping>>(&holder))
    return over_keys(*mapping);
  if (const auto* iterator = std::get_if<std::shared_ptr<Iterator>>(&holder))
    return [iterator = *iterator](Value& to) { return iterator->next(to); };
  return {};
}

}  // namespace patina::chat

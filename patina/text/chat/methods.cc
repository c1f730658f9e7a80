#include "patina/text/chat/methods.h"

#include <algorithm>

#include "patina/text/unicode/unicode.h"

namespace patina::chat {

namespace {

using Call = Value (*)(Operations&, const Value&, const Arguments&);

// The texts among a method's arguments; nothing for none or None.
std::optional<std::string_view> optional_text(Operations& python, const Value* given,
                                              std::string_view what) {
  if (!given || given->is_none()) return std::nullopt;
  return python.string(*given, what);
}

Value list_of_texts(Operations& python, std::vector<std::string> texts) {
  Values items;
  for (auto& text : texts) items.push_back(python.made(std::move(text)));
  return make_list(std::move(items));
}

template <Side side>
Value strip(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind("strip", {"chars"});
  const auto these = optional_text(python, bound[0], "what strip removes");
  if (these) python.budget().spend(int64_t(these->size()));
  return python.made(stripped(*receiver.bytes(), side, these));
}

template <bool from_right>
Value split_text(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind("split", {"sep", "maxsplit"});
  const int64_t most = bound[1] ? python.whole(*bound[1], "maxsplit") : -1;
  const auto separator = optional_text(python, bound[0], "a separator");
  python.budget().spend_for_search(receiver.bytes()->size(), separator ? separator->size() : 1);
  return list_of_texts(python, split(*receiver.bytes(), separator, most, from_right));
}

Value lines(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind("splitlines", {"keepends"});
  return list_of_texts(python, split_lines(*receiver.bytes(), bound[0] && truth(*bound[0])));
}

// startswith and endswith: one text, or any of a tuple.
template <bool at_end>
Value begins(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind(at_end ? "endswith" : "startswith", {"with"}, 1);
  const std::string_view text = *receiver.bytes();
  const auto matches = [&](const Value& with) {
    const std::string& part = python.string(with, "what a str begins or ends with");
    return at_end ? text.ends_with(part) : text.starts_with(part);
  };
  const auto* several = bound[0]->as<Sequence>();
  if (!several || several->kind != SequenceKind::tuple) return Value(matches(*bound[0]));
  return Value(std::any_of(several->items.begin(), several->items.end(), matches));
}

Value replace(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind("replace", {"old", "new", "count"}, 2);
  const int64_t most = bound[2] ? python.whole(*bound[2], "count") : -1;
  return python.replaced(*receiver.bytes(), python.string(*bound[0], "what is replaced"),
                         python.string(*bound[1], "a replacement"), most);
}

template <std::string (*change)(std::string_view)>
Value changed(Operations& python, const Value& receiver, const Arguments& arguments) {
  arguments.bind("the method", {});
  return python.made(change(*receiver.bytes()));
}

std::string lower(std::string_view text) {
  return lower_case(std::string(text), Sigma::by_word);
}

template <bool from_right>
Value find(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind("find", {"sub"}, 1);
  const std::string& text = *receiver.bytes();
  const std::string& part = python.string(*bound[0], "what is looked for");
  python.budget().spend_for_search(text.size(), part.size());
  const size_t at = from_right ? text.rfind(part) : text.find(part);
  if (at == std::string::npos) return Value(int64_t{-1});
  return Value(int64_t(count_code_points(std::string_view(text).substr(0, at))));
}

Value count(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind("count", {"what"}, 1);
  if (const auto* text = receiver.bytes()) {
    const std::string& part = python.string(*bound[0], "what is counted");
    python.budget().spend_for_search(text->size(), part.size());
    return Value(int64_t(count_of(*text, part)));
  }
  int64_t found = 0;
  for (const auto& item : receiver.as<Sequence>()->items) found += python.equal(item, *bound[0]);
  return Value(found);
}

Value join(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind("join", {"iterable"}, 1);
  std::string joined;
  bool first = true;
  const Next next = python.elements(*bound[0]);
  for (Value part; next(part); first = false) {
    if (!first) joined += *receiver.bytes();
    joined += python.string(part, "what join joins");
    python.budget().spend_for(receiver.bytes()->size() + part.bytes()->size());
    if (joined.size() > python.budget().limits().bytes) python.budget().spend_for(joined.size());
  }
  return Value::text(std::move(joined));
}

template <bool at_end>
Value without(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind(at_end ? "removesuffix" : "removeprefix", {"part"}, 1);
  std::string_view text = *receiver.bytes();
  const std::string& part = python.string(*bound[0], "what is removed");
  if (at_end && text.ends_with(part)) text.remove_suffix(part.size());
  if (!at_end && text.starts_with(part)) text.remove_prefix(part.size());
  return python.made(std::string(text));
}

Value get(Operations& python, const Value& receiver, const Arguments& arguments) {
  const auto bound = arguments.bind("get", {"key", "default"}, 1);
  python.check_key(*bound[0]);
  if (const Value* found = receiver.as<Mapping>()->find(*bound[0])) return *found;
  return bound[1] ? *bound[1] : Value::none();
}

template <SequenceKind kind>
Value view(Operations& python, const Value& receiver, const Arguments& arguments) {
  arguments.bind("the method", {});
  Values items;
  const auto& entries = receiver.as<Mapping>()->entries;
  python.budget().spend_for(entries.size());
  for (const auto& [key, value] : entries)
    items.push_back(kind == SequenceKind::keys ? key
                    : kind == SequenceKind::values
                        ? value
                        : make_sequence(SequenceKind::tuple, {key, value}));
  return make_sequence(kind, std::move(items));
}

Value same(Operations&, const Value& receiver, const Arguments& arguments) {
  arguments.bind("copy", {});
  return receiver;
}

struct Row {
  std::string_view name;
  Call call;
};
constexpr Row kTextMethods[] = {{"capitalize", changed<capitalized>},
                                {"count", count},
                                {"endswith", begins<true>},
                                {"find", find<false>},
                                {"join", join},
                                {"lower", changed<lower>},
                                {"lstrip", strip<Side::left>},
                                {"removeprefix", without<false>},
                                {"removesuffix", without<true>},
                                {"replace", replace},
                                {"rfind", find<true>},
                                {"rsplit", split_text<true>},
                                {"rstrip", strip<Side::right>},
                                {"split", split_text<false>},
                                {"splitlines", lines},
                                {"startswith", begins<false>},
                                {"strip", strip<Side::both>},
                                {"title", changed<title_case>},
                                {"upper", changed<upper_case>}};
constexpr Row kMappingMethods[] = {{"copy", same},
                                   {"get", get},
                                   {"items", view<SequenceKind::items>},
                                   {"keys", view<SequenceKind::keys>},
                                   {"values", view<SequenceKind::values>}};
constexpr Row kListMethods[] = {{"count", count}};

// Methods of Python that patina does not call. Their names still hide the items of a dict.
constexpr std::string_view kOtherTextMethods[] = {
    "casefold",  "center",      "encode",  "expandtabs", "format",   "format_map",   "index",
    "isalnum",   "isalpha",     "isascii", "isdecimal",  "isdigit",  "isidentifier", "islower",
    "isnumeric", "isprintable", "isspace", "istitle",    "isupper",  "ljust",        "maketrans",
    "partition", "rindex",      "rjust",   "rpartition", "swapcase", "translate",    "zfill"};
constexpr std::string_view kChangingMappingMethods[] = {"clear", "pop", "popitem", "setdefault",
                                                        "update"};
constexpr std::string_view kChangingListMethods[] = {"append", "clear",  "extend",  "insert",
                                                     "pop",    "remove", "reverse", "sort"};

template <class Rows>
const Row* row_in(const Rows& rows, std::string_view name) {
  for (const auto& row : rows)
    if (row.name == name) return &row;
  return nullptr;
}

template <class Names>
bool is_in(const Names& names, std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

bool is_list(const Value& value, SequenceKind kind) {
  const auto* sequence = value.as<Sequence>();
  return sequence && sequence->kind == kind;
}

bool is_listlike(const Value& value) {
  return is_list(value, SequenceKind::list) || is_list(value, SequenceKind::tuple) ||
         is_list(value, SequenceKind::range);
}

const Row* row_of(const Value& receiver, std::string_view name) {
  if (receiver.bytes()) return row_in(kTextMethods, name);
  if (receiver.as<Mapping>()) return row_in(kMappingMethods, name);
  return is_listlike(receiver) ? row_in(kListMethods, name) : nullptr;
}

}  // namespace

bool is_method(std::string_view name) {
  return row_in(kTextMethods, name) || row_in(kMappingMethods, name);
}

bool has_method(const Value& value, std::string_view name) {
  if (row_of(value, name)) return true;
  if (value.bytes()) return is_in(kOtherTextMethods, name);
  if (value.as<Mapping>()) return name == "fromkeys";
  return is_listlike(value) &&
         (name == "index" || (name == "copy" && is_list(value, SequenceKind::list)));
}

bool changes(const Value& value, std::string_view name) {
  return (value.as<Mapping>() && is_in(kChangingMappingMethods, name)) ||
         (is_list(value, SequenceKind::list) && is_in(kChangingListMethods, name));
}

Value call_method(Operations& python, const Value& receiver, const std::string& name,
                  const Arguments& arguments) {
  const Row* row = row_of(receiver, name);
  if (!row) wrong("method \"{}\" of {} is not supported", name, type_name(receiver));
  if (const auto* bytes = receiver.bytes()) python.budget().spend_for(bytes->size());
  return row->call(python, receiver, arguments);
}

}  // namespace patina::chat

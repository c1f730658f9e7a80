#include "patina/text/chat/functions.h"

#include <array>
#include <memory>

namespace patina::chat {

namespace {

constexpr std::pair<std::string_view, Function> kFunctions[] = {
    {"range", Function::range},
    {"dict", Function::dict},
    {"namespace", Function::space},
    {"raise_exception", Function::raise_exception},
    {"strftime_now", Function::strftime_now}};

// The most that Jinja's sandbox allows.
constexpr size_t kLongestRange = 100'000;

Value range(Operations& python, const Arguments& arguments) {
  const auto& given = arguments.positional;
  if (!arguments.named.empty() || given.empty() || given.size() > 3)
    wrong("range takes one to three numbers");
  std::array<int64_t, 3> bounds = {0, 0, 1};
  if (given.size() == 1)
    bounds[1] = python.whole(given[0], "the end of a range");
  else
    for (size_t i = 0; i < given.size(); ++i)
      bounds[i] = python.whole(given[i], "the bound of a range");
  const auto [start, stop, step] = bounds;
  if (step == 0) wrong("the step of a range is zero");
  size_t count = 0;
  if (step > 0 && start < stop)
    count = size_t((uint64_t(stop) - uint64_t(start) - 1) / uint64_t(step)) + 1;
  if (step < 0 && stop < start)
    count = size_t((uint64_t(start) - uint64_t(stop) - 1) / (0 - uint64_t(step))) + 1;
  if (count > kLongestRange) wrong("a range has {} numbers, more than {}", count, kLongestRange);
  python.budget().spend_for(count);
  Sequence made{.kind = SequenceKind::range, .items = {}, .range = bounds};
  for (size_t i = 0; i < count; ++i) made.items.emplace_back(start + int64_t(i) * step);
  return Value(std::make_shared<const Sequence>(std::move(made)));
}

// Of a dict, and of arguments by name.
Mapping members(Operations& python, const Arguments& arguments) {
  Mapping mapping;
  if (arguments.positional.size() > 1) wrong("a dict is made of one dict and of names");
  for (const auto& given : arguments.positional) {
    const auto* from = given.as<Mapping>();
    if (!from) wrong("a dict made of a {} is not supported", type_name(given));
    python.budget().spend_for(from->entries.size());
    mapping = *from;
  }
  for (const auto& [name, value] : arguments.named) mapping.set(Value::text(name), value);
  return mapping;
}

Value space(const Arguments& arguments) {
  auto made = std::make_shared<Space>();
  for (const auto& given : arguments.positional) {
    const auto* from = given.as<Mapping>();
    if (!from) wrong("a namespace made of a {} is not supported", type_name(given));
    for (const auto& [key, value] : from->entries)
      if (const auto* name = key.bytes()) set_member(*made, *name, value);
  }
  for (const auto& [name, value] : arguments.named) set_member(*made, name, value);
  return Value(std::move(made));
}

Value date(Operations& python, const Arguments& arguments, const std::tm& now) {
  const auto bound = arguments.bind("strftime_now", {"format"}, 1);
  const std::string& format = python.string(*bound[0], "the format of a date");
  // Of the many letters that C libraries know, those that mean the same everywhere.
  for (size_t at = 0; (at = format.find('%', at)) != std::string::npos; at += 2) {
    if (at + 1 < format.size() && format[at + 1] == '-') ++at;
    constexpr std::string_view kLetters = "aAbBdHIjmMpSUwWyYcxXeDFTRuVGgnt%";
    if (at + 1 >= format.size() || kLetters.find(format[at + 1]) == std::string_view::npos)
      wrong("the format of a date has a % that is not supported");
  }
  constexpr size_t kLongest = 1000;
  if (format.size() > kLongest) wrong("the format of a date has more than {} bytes", kLongest);
  if (format.empty()) return Value::text("");
  std::array<char, 64 * kLongest> text{};
  const size_t length = std::strftime(text.data(), text.size(), format.c_str(), &now);
  return python.made(std::string(text.data(), length));
}

}  // namespace

Value global(const std::string& name) {
  for (const auto& [known, function] : kFunctions)
    if (known == name) return Value(function);
  return Value();
}

Value call_function(Operations& python, Function function, const Arguments& arguments,
                    const std::tm& now) {
  switch (function) {
    case Function::range:
      return range(python, arguments);
    case Function::dict:
      return make_mapping(members(python, arguments));
    case Function::space:
      return space(arguments);
    case Function::strftime_now:
      return date(python, arguments, now);
    case Function::raise_exception: {
      const auto bound = arguments.bind("raise_exception", {"message"}, 1);
      wrong("the template refuses the conversation: {}", python.text_of(*bound[0]));
    }
  }
  return Value();
}

void set_member(Space& space, const std::string& name, const Value& value) {
  if (name.starts_with("_"))
    wrong("a namespace has no attributes that begin with \"_\", such as \"{}\"", name);
  if (value.changeable<Space>()) wrong("a namespace inside a namespace is not supported");
  space.members.insert_or_assign(name, value);
}

}  // namespace patina::chat

#include "patina/text/chat/tests.h"

#include <algorithm>

namespace patina::chat {

namespace {

using Test = bool (*)(Operations&, const Value&);

bool is_sequence(const Value& value) {
  if (const auto* sequence = value.as<Sequence>())
    return sequence->kind == SequenceKind::list || sequence->kind == SequenceKind::tuple ||
           sequence->kind == SequenceKind::range;
  return value.bytes() || value.as<Mapping>() || value.is_undefined();
}

bool is_iterable(const Value& value) {
  return value.changeable<Loop>() || iterate(value);
}

bool leaves(Operations& python, int64_t rest, const Value& value, const Value& divisor) {
  return python.equal(python.binary("%", value, divisor), Value(rest));
}

struct Row {
  std::string_view name;
  Test test;
};
constexpr Row kRows[] = {
    {"boolean", [](Operations&, const Value& v) { return v.plain<bool>() != nullptr; }},
    {"defined", [](Operations&, const Value& v) { return !v.is_undefined(); }},
    {"even",
     [](Operations& python, const Value& v) { return leaves(python, 0, v, Value(int64_t{2})); }},
    {"false", [](Operations&, const Value& v) { return v.plain<bool>() && !*v.plain<bool>(); }},
    {"float", [](Operations&, const Value& v) { return v.plain<double>() != nullptr; }},
    {"integer", [](Operations&, const Value& v) { return v.plain<int64_t>() != nullptr; }},
    {"iterable", [](Operations&, const Value& v) { return is_iterable(v); }},
    {"mapping", [](Operations&, const Value& v) { return v.as<Mapping>() != nullptr; }},
    {"none", [](Operations&, const Value& v) { return v.is_none(); }},
    {"number", [](Operations&, const Value& v) { return v.is_number(); }},
    {"odd",
     [](Operations& python, const Value& v) { return leaves(python, 1, v, Value(int64_t{2})); }},
    {"sequence", [](Operations&, const Value& v) { return is_sequence(v); }},
    {"string", [](Operations&, const Value& v) { return v.bytes() != nullptr; }},
    {"true", [](Operations&, const Value& v) { return v.plain<bool>() && *v.plain<bool>(); }},
    {"undefined", [](Operations&, const Value& v) { return v.is_undefined(); }}};

// Tests with one argument, and the operator that each is.
constexpr std::pair<std::string_view, std::string_view> kComparisons[] = {
    {"==", "=="}, {"eq", "=="},         {"equalto", "=="}, {"!=", "!="}, {"ne", "!="}, {"<", "<"},
    {"lt", "<"},  {"lessthan", "<"},    {"<=", "<="},      {"le", "<="}, {">", ">"},   {"gt", ">"},
    {"ge", ">="}, {"greaterthan", ">"}, {">=", ">="},      {"in", "in"}};

template <class Rows>
auto find(const Rows& rows, std::string_view name) {
  return std::find_if(std::begin(rows), std::end(rows), [&](const auto& row) {
    const auto& [known, what] = row;
    return known == name;
  });
}

}  // namespace

bool is_test(std::string_view name) {
  return find(kRows, name) != std::end(kRows) ||
         find(kComparisons, name) != std::end(kComparisons) || name == "divisibleby";
}

bool passes(Operations& python, std::string_view name, const Value& value,
            const Arguments& arguments) {
  if (const auto* row = find(kRows, name); row != std::end(kRows)) {
    arguments.bind(fmt::format("test \"{}\"", name), {});
    return row->test(python, value);
  }
  if (const auto* row = find(kComparisons, name); row != std::end(kComparisons)) {
    const auto bound = arguments.bind(fmt::format("test \"{}\"", name), {"other"}, 1);
    return python.compares(row->second, value, *bound[0]);
  }
  if (name != "divisibleby") wrong("test \"{}\" is not supported", name);
  const auto bound = arguments.bind("test \"divisibleby\"", {"num"}, 1);
  return leaves(python, 0, value, *bound[0]);
}

}  // namespace patina::chat

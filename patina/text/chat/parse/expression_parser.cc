#include "patina/text/chat/parse/expression_parser.h"

#include <algorithm>
#include <array>

#include "patina/text/chat/filters.h"
#include "patina/text/chat/methods.h"
#include "patina/text/chat/tests.h"

namespace patina::chat {

namespace {

std::string shown(const Token& token) {
  switch (token.kind) {
    case TokenKind::end:
      return "the end of the template";
    case TokenKind::variable_end:
      return "\"}}\"";
    case TokenKind::block_end:
      return "\"%}\"";
    case TokenKind::text:
      return "a string";
    case TokenKind::integer:
    case TokenKind::number:
      return "a number";
    default:
      return fmt::format("\"{}\"", token.text);
  }
}

// Names that Jinja gives a meaning of their own.
bool is_constant_name(std::string_view name) {
  for (const auto known : {"true", "True", "false", "False", "none", "None"})
    if (name == known) return true;
  return false;
}

template <class... Parts>
std::vector<ExpressionPtr> list_of(Parts... parts) {
  std::vector<ExpressionPtr> list;
  (list.push_back(std::move(parts)), ...);
  return list;
}

}  // namespace

Token ExpressionParser::take() {
  Token token = now();
  if (at_ + 1 < tokens_.size()) ++at_;
  return token;
}

bool ExpressionParser::take_if(std::string_view sign) {
  if (!now().is(sign)) return false;
  take();
  return true;
}

bool ExpressionParser::take_name_if(std::string_view name) {
  if (!now().is_name(name)) return false;
  take();
  return true;
}

void ExpressionParser::expect(std::string_view sign) {
  if (!take_if(sign)) refuse_here("expected \"{}\", not {}", sign, shown(now()));
}

void ExpressionParser::expect(TokenKind kind, std::string_view what) {
  if (now().kind != kind) refuse_here("expected {}, not {}", what, shown(now()));
  take();
}

std::string ExpressionParser::expect_name() {
  if (now().kind != TokenKind::name) refuse_here("expected a name, not {}", shown(now()));
  return take().text;
}

ExpressionPtr ExpressionParser::make(ExpressionKind kind, size_t at,
                                     std::vector<ExpressionPtr> parts, std::string name) const {
  auto made = std::make_unique<Expression>();
  made->kind = kind;
  made->at = at;
  made->name = std::move(name);
  for (auto& part : parts) grow(*made, std::move(part));
  return made;
}

// Chains such as a + b + c grow to the left without nesting of the parser, so that the tree's
// depth is counted, too.
void ExpressionParser::grow(Expression& expression, ExpressionPtr part) const {
  if (part) expression.depth = std::max(expression.depth, part->depth + 1);
  if (expression.depth > limits_.nesting)
    refuse(source_, expression.at, "an expression is nested deeper than {} levels",
           limits_.nesting);
  expression.parts.push_back(std::move(part));
}

bool ExpressionParser::ends_several() const {
  return now().kind == TokenKind::variable_end || now().kind == TokenKind::block_end ||
         now().is(")") || now().is_name("in");
}

ExpressionPtr ExpressionParser::several(bool choices) {
  const size_t at = now().at;
  ExpressionPtr first = one(choices);
  if (!now().is(",")) return first;
  auto tuple = make(ExpressionKind::tuple, at, list_of(std::move(first)));
  while (take_if(",") && !ends_several()) grow(*tuple, one(choices));
  return tuple;
}

ExpressionPtr ExpressionParser::printed() {
  ExpressionPtr value = several();
  if (value->kind == ExpressionKind::filter && value->name == "safe") {
    if (value->parts.size() + value->named.size() > 1)
      refuse(source_, value->at, "filter \"safe\" has no arguments");
    safe_.pop_back();
    value = std::move(value->parts[0]);
  }
  return value;
}

void ExpressionParser::check_safe() const {
  if (!safe_.empty())
    refuse(source_, safe_[0], "filter \"safe\" is supported only as the last of what is printed");
}

ExpressionPtr ExpressionParser::one(bool choices) {
  if (++nesting_ > limits_.nesting)
    refuse_here("an expression is nested deeper than {} levels", limits_.nesting);
  ExpressionPtr value = either();
  while (choices && now().is_name("if")) {
    const size_t at = take().at;
    ExpressionPtr condition = either();
    ExpressionPtr otherwise;
    if (take_name_if("else")) otherwise = one();
    value = make(ExpressionKind::choice, at,
                 list_of(std::move(condition), std::move(value), std::move(otherwise)));
  }
  --nesting_;
  return value;
}

ExpressionPtr ExpressionParser::either() {
  ExpressionPtr left = both();
  while (now().is_name("or")) {
    const size_t at = take().at;
    left = make(ExpressionKind::either, at, list_of(std::move(left), both()));
  }
  return left;
}

ExpressionPtr ExpressionParser::both() {
  ExpressionPtr left = negation();
  while (now().is_name("and")) {
    const size_t at = take().at;
    left = make(ExpressionKind::both, at, list_of(std::move(left), negation()));
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  std::vector<size_t> places;
  while (now().is_name("not")) places.push_back(take().at);
  ExpressionPtr value = comparison();
  for (; !places.empty(); places.pop_back())
    value = make(ExpressionKind::negation, places.back(), list_of(std::move(value)));
  return value;
}

ExpressionPtr ExpressionParser::comparison() {
  constexpr std::array<std::string_view, 6> kSigns = {"==", "!=", "<", "<=", ">", ">="};
  ExpressionPtr first = sum();
  ExpressionPtr compared;
  while (true) {
    std::string sign;
    const size_t at = now().at;
    if (std::any_of(kSigns.begin(), kSigns.end(), [&](auto known) { return now().is(known); })) {
      sign = take().text;
    } else if (take_name_if("in")) {
      sign = "in";
    } else if (now().is_name("not") && ahead().is_name("in")) {
      take();
      take();
      sign = "not in";
    } else {
      break;
    }
    if (!compared) compared = make(ExpressionKind::comparison, at, list_of(std::move(first)));
    compared->signs.push_back(std::move(sign));
    grow(*compared, sum());
  }
  return compared ? std::move(compared) : std::move(first);
}

ExpressionPtr ExpressionParser::chain(Rule part, ExpressionKind kind,
                                      std::initializer_list<const char*> signs) {
  ExpressionPtr left = (this->*part)();
  while (std::any_of(signs.begin(), signs.end(), [&](auto sign) { return now().is(sign); })) {
    const Token sign = take();
    left = make(kind, sign.at, list_of(std::move(left), (this->*part)()));
    left->signs.push_back(sign.text);
  }
  return left;
}

ExpressionPtr ExpressionParser::sum() {
  return chain(&ExpressionParser::concatenation, ExpressionKind::binary, {"+", "-"});
}

ExpressionPtr ExpressionParser::concatenation() {
  const size_t at = now().at;
  ExpressionPtr first = product();
  if (!now().is("~")) return first;
  auto joined = make(ExpressionKind::concatenation, at, list_of(std::move(first)));
  while (take_if("~")) grow(*joined, product());
  return joined;
}

ExpressionPtr ExpressionParser::product() {
  return chain(&ExpressionParser::power, ExpressionKind::binary, {"*", "/", "//", "%"});
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr base = signed_value();
  if (now().is("**")) refuse_here("the operator ** is not supported");
  return base;
}

ExpressionPtr ExpressionParser::unary(bool filters) {
  if (++nesting_ > limits_.nesting)
    refuse_here("an expression is nested deeper than {} levels", limits_.nesting);
  ExpressionPtr value;
  if (now().is("-") || now().is("+")) {
    const Token sign = take();
    value = make(ExpressionKind::unary, sign.at, list_of(unary(false)));
    value->signs.push_back(sign.text);
  } else {
    value = primary();
  }
  value = after(std::move(value));
  if (filters) value = filters_and_tests(std::move(value));
  --nesting_;
  return value;
}

ExpressionPtr ExpressionParser::primary() {
  const Token& token = now();
  if (token.kind == TokenKind::name) return name_or_constant();
  auto constant = make(ExpressionKind::constant, token.at);
  if (token.kind == TokenKind::integer || token.kind == TokenKind::number) {
    const Token number = take();
    constant->constant =
        number.kind == TokenKind::integer ? Value(number.integer) : Value(number.number);
    return constant;
  }
  if (token.kind == TokenKind::text) {
    std::string text;
    while (now().kind == TokenKind::text) text += take().text;
    constant->constant = Value::text(std::move(text));
    return constant;
  }
  if (token.is("[")) return brackets();
  if (token.is("{")) return braces();
  if (!token.is("(")) refuse_here("unexpected {}", shown(token));
  const size_t at = take().at;
  if (take_if(")")) return make(ExpressionKind::tuple, at);
  ExpressionPtr inside = several();
  expect(")");
  return inside;
}

ExpressionPtr ExpressionParser::name_or_constant() {
  const Token name = take();
  if (!is_constant_name(name.text)) return make(ExpressionKind::name, name.at, {}, name.text);
  auto constant = make(ExpressionKind::constant, name.at);
  const char first = char(name.text[0] | 0x20);
  constant->constant = first == 'n' ? Value::none() : Value(first == 't');
  return constant;
}

ExpressionPtr ExpressionParser::brackets() {
  auto list = make(ExpressionKind::list, take().at);
  while (!now().is("]")) {
    grow(*list, one());
    if (!take_if(",")) break;
  }
  expect("]");
  return list;
}

ExpressionPtr ExpressionParser::braces() {
  auto mapping = make(ExpressionKind::mapping, take().at);
  while (!now().is("}")) {
    grow(*mapping, one());
    expect(":");
    grow(*mapping, one());
    if (!take_if(",")) break;
  }
  expect("}");
  return mapping;
}

ExpressionPtr ExpressionParser::after(ExpressionPtr value) {
  while (true) {
    if (now().is("."))
      value = attribute(std::move(value));
    else if (now().is("["))
      value = subscript(std::move(value));
    else if (now().is("("))
      value = call(std::move(value));
    else
      return value;
  }
}

ExpressionPtr ExpressionParser::filters_and_tests(ExpressionPtr value) {
  while (true) {
    if (now().is("|"))
      value = filter(std::move(value));
    else if (now().is_name("is"))
      value = test(std::move(value));
    else if (now().is("("))
      value = call(std::move(value));
    else
      return value;
  }
}

ExpressionPtr ExpressionParser::attribute(ExpressionPtr value) {
  const size_t at = take().at;
  if (now().kind == TokenKind::integer) {
    auto index = make(ExpressionKind::constant, now().at);
    index->constant = Value(take().integer);
    return make(ExpressionKind::item, at, list_of(std::move(value), std::move(index)));
  }
  return make(ExpressionKind::attribute, at, list_of(std::move(value)), expect_name());
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr value) {
  const size_t at = take().at;
  std::array<ExpressionPtr, 3> bounds;
  size_t colons = 0;
  for (; !now().is("]") && !now().is(",");) {
    if (take_if(":")) {
      if (++colons == 3) refuse_here("a slice has at most three parts");
    } else {
      if (bounds[colons]) refuse_here("expected \"]\", not {}", shown(now()));
      bounds[colons] = one();
    }
  }
  if (now().is(",")) refuse_here("a tuple as an index is not supported");
  if (colons == 0 && !bounds[0]) refuse_here("expected an index, not \"]\"");
  take();
  if (colons == 0)
    return make(ExpressionKind::item, at, list_of(std::move(value), std::move(bounds[0])));
  return make(
      ExpressionKind::slice, at,
      list_of(std::move(value), std::move(bounds[0]), std::move(bounds[1]), std::move(bounds[2])));
}

void ExpressionParser::arguments(Expression& to) {
  expect("(");
  while (!now().is(")")) {
    if (now().is("*") || now().is("**"))
      refuse_here("arguments with {} are not supported", now().text);
    if (now().kind == TokenKind::name && ahead().is("=")) {
      std::string name = take().text;
      take();
      ExpressionPtr value = one();
      to.depth = std::max(to.depth, value->depth + 1);
      for (const auto& [other, given] : to.named)
        if (other == name) refuse_here("the argument \"{}\" is given twice", name);
      to.named.emplace_back(std::move(name), std::move(value));
    } else {
      if (!to.named.empty()) refuse_here("an argument without a name follows one with a name");
      grow(to, one());
    }
    if (!take_if(",")) break;
  }
  expect(")");
}

ExpressionPtr ExpressionParser::call(ExpressionPtr value) {
  auto made = make(ExpressionKind::call, now().at, list_of(std::move(value)));
  arguments(*made);
  check_call(*made);
  return made;
}

// What can be told before rendering: methods and functions that patina does not have.
void ExpressionParser::check_call(const Expression& call) const {
  const Expression& what = *call.parts[0];
  if (what.kind == ExpressionKind::attribute && !is_method(what.name))
    refuse(source_, what.at, "method \"{}\" is not supported", what.name);
  if (what.kind != ExpressionKind::name) return;
  for (const auto* known : {"lipsum", "cycler", "joiner", "caller", "super"})
    if (what.name == known) refuse(source_, what.at, "function \"{}\" is not supported", what.name);
}

ExpressionPtr ExpressionParser::filter(ExpressionPtr value) {
  take();
  const size_t at = now().at;
  auto made = make(ExpressionKind::filter, at, list_of(std::move(value)), expect_name());
  if (!is_filter(made->name)) refuse(source_, at, "filter \"{}\" is not supported", made->name);
  if (now().is("(")) arguments(*made);
  if (made->name == "safe") safe_.push_back(at);
  check_names(*made);
  return made;
}

// Filters such as map name another filter or test.
void ExpressionParser::check_names(const Expression& filter) const {
  const auto named = names_of(filter.name);
  if (!named || filter.parts.size() <= named->at) return;
  const Expression& given = *filter.parts[named->at];
  const std::string* name =
      given.kind == ExpressionKind::constant ? given.constant.bytes() : nullptr;
  if (!name) return;
  if (named->filter ? !is_filter(*name) : !is_test(*name))
    refuse(source_, given.at, "{} \"{}\" is not supported", named->filter ? "filter" : "test",
           *name);
}

ExpressionPtr ExpressionParser::test(ExpressionPtr value) {
  take();
  const bool negated = take_name_if("not");
  const size_t at = now().at;
  auto made = make(ExpressionKind::test, at, list_of(std::move(value)), expect_name());
  if (!is_test(made->name)) refuse(source_, at, "test \"{}\" is not supported", made->name);
  const Token& next = now();
  const bool operand = next.kind == TokenKind::name || next.kind == TokenKind::text ||
                       next.kind == TokenKind::integer || next.kind == TokenKind::number ||
                       next.is("[") || next.is("{");
  const bool keyword = next.is_name("else") || next.is_name("or") || next.is_name("and") ||
                       next.is_name("if") || next.is_name("in") || next.is_name("not");
  if (next.is("(")) {
    arguments(*made);
  } else if (next.is_name("is")) {
    refuse_here("tests one after another are not supported");
  } else if (operand && !keyword) {
    grow(*made, after(primary()));
  }
  if (!negated) return made;
  return make(ExpressionKind::negation, at, list_of(std::move(made)));
}

Target ExpressionParser::single_target(bool attributes) {
  if (++nesting_ > limits_.nesting)
    refuse_here("an expression is nested deeper than {} levels", limits_.nesting);
  Target made;
  made.at = now().at;
  if (take_if("(")) {
    made = target(attributes);
    expect(")");
  } else {
    made.name = expect_name();
    if (is_constant_name(made.name))
      refuse(source_, made.at, "\"{}\" cannot be assigned to", made.name);
    if (attributes && take_if(".")) made.attribute = expect_name();
  }
  --nesting_;
  return made;
}

Target ExpressionParser::target(bool attributes) {
  Target first = single_target(attributes);
  if (!now().is(",")) return first;
  Target all;
  all.at = first.at;
  all.several.push_back(std::move(first));
  while (take_if(",")) {
    if (ends_several() || now().is("=")) break;
    all.several.push_back(single_target(attributes));
  }
  return all;
}

}  // namespace patina::chat

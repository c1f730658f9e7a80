// Parses the expressions of a chat template, with Jinja's precedence.
#pragma once

#include <algorithm>
#include <initializer_list>

#include "patina/text/chat/limits.h"
#include "patina/text/chat/parse/lexer.h"
#include "patina/text/chat/tree.h"

namespace patina::chat {

class ExpressionParser {
 public:
  ExpressionParser(const Source& source, const ChatLimits& limits)
      : source_(source), limits_(limits), tokens_(tokens_of(source)) {}

  const Token& now() const { return tokens_[at_]; }
  const Token& ahead() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  Token take();
  bool take_if(std::string_view sign);
  bool take_name_if(std::string_view name);
  void expect(std::string_view sign);
  void expect(TokenKind kind, std::string_view what);
  std::string expect_name();

  /// One expression, or several with commas between them as a tuple. `choices`: whether "a if b
  /// else c" is read.
  ExpressionPtr several(bool choices = true);
  ExpressionPtr one(bool choices = true);
  /// What {{ }} prints. The filter "safe" is read here only, where it changes nothing: inside an
  /// expression it would make HTML of what is added to it.
  ExpressionPtr printed();
  /// Throws for a "safe" elsewhere.
  void check_safe() const;
  /// Variables to assign to: names, tuples of names; with `attributes` also "space.name".
  Target target(bool attributes);

  template <class... Args>
  [[noreturn]] void refuse_here(fmt::format_string<Args...> format, Args&&... args) const {
    refuse(source_, now().at, format, std::forward<Args>(args)...);
  }

 private:
  using Rule = ExpressionPtr (ExpressionParser::*)();

  ExpressionPtr either();
  ExpressionPtr both();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr signed_value() { return unary(true); }
  ExpressionPtr unary(bool filters);
  ExpressionPtr primary();
  ExpressionPtr name_or_constant();
  ExpressionPtr brackets();
  ExpressionPtr braces();
  ExpressionPtr after(ExpressionPtr value);
  ExpressionPtr filters_and_tests(ExpressionPtr value);
  ExpressionPtr attribute(ExpressionPtr value);
  ExpressionPtr subscript(ExpressionPtr value);
  ExpressionPtr call(ExpressionPtr value);
  ExpressionPtr filter(ExpressionPtr value);
  ExpressionPtr test(ExpressionPtr value);
  void arguments(Expression& to);
  void check_call(const Expression& call) const;
  void check_names(const Expression& filter) const;
  Target single_target(bool attributes);

  ExpressionPtr chain(Rule part, ExpressionKind kind, std::initializer_list<const char*> signs);
  bool ends_several() const;
  ExpressionPtr make(ExpressionKind kind, size_t at, std::vector<ExpressionPtr> parts = {},
                     std::string name = "") const;
  void grow(Expression& expression, ExpressionPtr part) const;

  const Source& source_;
  ChatLimits limits_;
  std::vector<Token> tokens_;
  size_t at_ = 0, nesting_ = 0;
  std::vector<size_t> safe_;  // where "safe" is a part of an expression
};

}  // namespace patina::chat

// Splits a chat template into text and the tokens of its tags, with Jinja's white space control
// (trim_blocks and lstrip_blocks, as transformers sets them).
#pragma once

#include <vector>

#include "patina/text/chat/source.h"

namespace patina::chat {

enum class TokenKind {
  data,  // text between tags
  variable_begin,
  variable_end,
  block_begin,
  block_end,
  name,
  text,
  integer,
  number,
  sign,  // an operator or a bracket
  end
};

struct Token {
  TokenKind kind = TokenKind::end;
  std::string text;  // of a string: without quotes and escapes
  int64_t integer = 0;
  double number = 0;
  size_t at = 0;

  bool is(std::string_view sign) const { return kind == TokenKind::sign && text == sign; }
  bool is_name(std::string_view name) const { return kind == TokenKind::name && text == name; }
};

/// Line breaks become "\n"; one at the end is dropped, as Jinja drops it. Throws Error(format) for
/// invalid UTF-8.
Source make_source(std::string_view text, std::string origin);

/// The last token is `end`. Throws Error(format) with the place.
std::vector<Token> tokens_of(const Source& source);

}  // namespace patina::chat

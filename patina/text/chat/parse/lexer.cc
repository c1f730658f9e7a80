#include "patina/text/chat/parse/lexer.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "patina/text/chat/parse/string_literal.h"
#include "patina/text/unicode/unicode.h"

namespace patina::chat {

namespace {

constexpr size_t kNowhere = std::string_view::npos;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_name_start(char c) {
  return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_digit_of(char c, int base) {
  if (base == 16 && ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) return true;
  return c >= '0' && c < '0' + std::min(base, 10);
}

class Lexer {
 public:
  explicit Lexer(const Source& source) : source_(source), text_(source.text) {}

  std::vector<Token> run() {
    while (at_ < text_.size()) outside();
    add(TokenKind::end, text_.size());
    return std::move(tokens_);
  }

 private:
  void add(TokenKind kind, size_t at, std::string text = "") {
    tokens_.push_back({.kind = kind, .text = std::move(text), .at = at});
  }

  bool starts(std::string_view with) const { return text_.substr(at_).starts_with(with); }

  void skip_space() {
    while (at_ < text_.size()) {
      size_t after = at_;
      if (!is_python_space(next_code_point(text_, after))) break;
      at_ = after;
    }
  }

  // Text up to the next tag, and the tag.
  void outside() {
    size_t tag = text_.find('{', at_);
    while (tag != kNowhere && text_.substr(tag + 1).find_first_of("{%#") != 0)
      tag = text_.find('{', tag + 1);
    if (tag == kNowhere) {
      add_data(at_, text_.size());
      at_ = text_.size();
      return;
    }
    const size_t begin = at_;
    const char what = text_[tag + 1];
    at_ = tag + 2;
    const char control = sign_of_space();
    add_data(begin, end_before(begin, tag, control, what == '{'));
    if (what == '#')
      comment(tag);
    else if (what == '{')
      inside(tag, TokenKind::variable_begin, TokenKind::variable_end);
    else if (!raw(tag))
      inside(tag, TokenKind::block_begin, TokenKind::block_end);
    line_starts_ = text_[at_ - 1] == '\n';
  }

  void add_data(size_t begin, size_t end) {
    if (begin < end) add(TokenKind::data, begin, std::string(text_.substr(begin, end - begin)));
  }

  // The sign after the beginning of a tag; 0: none.
  char sign_of_space() {
    if (at_ < text_.size() && (text_[at_] == '-' || text_[at_] == '+')) return text_[at_++];
    return 0;
  }

  // Where the text before a tag ends. "-" takes all white space from it; otherwise a block that
  // stands first in its line takes the white space of the line.
  size_t end_before(size_t begin, size_t tag, char control, bool variable) const {
    const std::string_view text = text_.substr(begin, tag - begin);
    size_t kept = text.size();
    while (kept > 0 && is_python_space(code_point_before(text, kept))) {
      do --kept;
      while ((static_cast<unsigned char>(text[kept]) & 0xc0) == 0x80);
    }
    if (control == '-') return begin + kept;
    if (control == '+' || variable) return tag;
    const size_t line = text.rfind('\n') + 1;
    const bool first_in_line = line > 0 || line_starts_;
    return first_in_line && kept <= line ? begin + line : tag;
  }

  // The end of a tag at the current place, such as "%}" or "-%}". A block's end takes one line
  // break after it.
  bool ends_tag(std::string_view end, bool block) {
    if (starts("-") && text_.substr(at_ + 1).starts_with(end)) {
      at_ += 1 + end.size();
      skip_space();
      return true;
    }
    if (block && starts("+") && text_.substr(at_ + 1).starts_with(end)) {
      at_ += 1 + end.size();
      return true;
    }
    if (!starts(end)) return false;
    at_ += end.size();
    if (block && starts("\n")) ++at_;
    return true;
  }

  void comment(size_t tag) {
    for (; at_ < text_.size(); ++at_)
      if (ends_tag("#}", true)) return;
    refuse(source_, tag, "the comment has no end");
  }

  // {% raw %} ... {% endraw %}; false, and nothing read, for another block.
  bool raw(size_t tag) {
    const size_t begin = at_;
    if (!reads_word("raw") || (!starts("%}") && !starts("-%}"))) {
      at_ = begin;
      return false;
    }
    if (starts("-"))
      ends_tag("%}", true);
    else
      at_ += 2;
    line_starts_ = text_[at_ - 1] == '\n';
    const size_t data = at_;
    for (size_t end = text_.find("{%", at_); end != kNowhere; end = text_.find("{%", end + 1)) {
      at_ = end + 2;
      const char control = sign_of_space();
      if (!reads_word("endraw") || !ends_tag("%}", true)) continue;
      add_data(data, end_before(data, end, control, false));
      return true;
    }
    refuse(source_, tag, "the block \"raw\" has no end");
  }

  // White space, the word, and white space.
  bool reads_word(std::string_view word) {
    skip_space();
    if (!starts(word)) return false;
    at_ += word.size();
    skip_space();
    return true;
  }

  void inside(size_t tag, TokenKind begin, TokenKind end) {
    add(begin, tag);
    const bool block = begin == TokenKind::block_begin;
    brackets_.clear();
    for (skip_space(); at_ < text_.size(); skip_space()) {
      const size_t at = at_;
      if (brackets_.empty() && ends_tag(block ? "%}" : "}}", block)) return add(end, at);
      if (is_digit(text_[at_]))
        number();
      else if (is_name_start(text_[at_]))
        name();
      else if (text_[at_] == '\'' || text_[at_] == '"')
        string();
      else
        sign();
    }
    refuse(source_, tag, "the tag has no end");
  }

  // Digits, with single underscores between them; the place after them.
  size_t digits(size_t from, int base = 10) const {
    size_t at = from;
    while (at < text_.size()) {
      const bool joined = text_[at] == '_' && at > from && at + 1 < text_.size();
      const size_t digit = joined ? at + 1 : at;
      if (!is_digit_of(text_[digit], base)) break;
      at = digit + 1;
    }
    return at;
  }

  void number() {
    const size_t begin = at_;
    const size_t whole = digits(begin);
    size_t end = whole;
    const auto is_at = [&](size_t at, std::string_view set) {
      return at < text_.size() && set.find(text_[at]) != kNowhere;
    };
    if (is_at(end, ".") && digits(end + 1) > end + 1) end = digits(end + 1);
    if (is_at(end, "eE")) {
      const size_t exponent = end + 1 + (is_at(end + 1, "+-") ? 1 : 0);
      if (digits(exponent) > exponent) end = digits(exponent);
    }
    // What follows a dot is the index of "list.0".
    const bool index = begin > 0 && text_[begin - 1] == '.';
    if (end == whole || index) return integer();
    std::string plain(text_.substr(begin, end - begin));
    std::erase(plain, '_');
    Token token{.kind = TokenKind::number, .at = begin};
    const auto read = std::from_chars(plain.data(), plain.data() + plain.size(), token.number);
    if (read.ec == std::errc::result_out_of_range)
      token.number = std::strtod(plain.c_str(), nullptr);
    at_ = end;
    tokens_.push_back(std::move(token));
  }

  void integer() {
    const size_t begin = at_;
    int base = 10;
    size_t from = begin;
    if (text_[begin] == '0' && begin + 1 < text_.size()) {
      const char letter = char(text_[begin + 1] | 0x20);
      const int wanted = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 10;
      const size_t first =
          begin + 2 + (begin + 2 < text_.size() && text_[begin + 2] == '_' ? 1 : 0);
      if (wanted != 10 && digits(first, wanted) > first) {
        base = wanted;
        from = first;
      }
    }
    size_t end = digits(from, base);
    if (base == 10 && text_[begin] == '0') {  // zeros only: Python has no other number that
      end = begin;                            // begins with one
      while (end < text_.size() && text_[end] == '0') ++end;
    }
    std::string plain(text_.substr(from, end - from));
    std::erase(plain, '_');
    Token token{.kind = TokenKind::integer, .at = begin};
    const auto read =
        std::from_chars(plain.data(), plain.data() + plain.size(), token.integer, base);
    if (read.ec != std::errc())
      refuse(source_, begin, "the number {} does not fit into 64 bits", plain);
    at_ = end;
    tokens_.push_back(std::move(token));
  }

  void name() {
    const size_t begin = at_;
    while (at_ < text_.size() && (is_name_start(text_[at_]) || is_digit(text_[at_]))) ++at_;
    add(TokenKind::name, begin, std::string(text_.substr(begin, at_ - begin)));
  }

  void string() {
    const size_t begin = at_;
    const char quote = text_[at_];
    for (++at_; at_ < text_.size() && text_[at_] != quote; ++at_)
      if (text_[at_] == '\\') ++at_;
    if (at_ >= text_.size()) refuse(source_, begin, "the string has no end");
    const std::string_view raw = text_.substr(begin + 1, at_ - begin - 1);
    ++at_;
    add(TokenKind::text, begin, unescaped(raw, source_, begin + 1));
  }

  void sign() {
    static constexpr std::array<std::string_view, 26> kSigns = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    const size_t begin = at_;
    for (const auto sign : kSigns) {
      if (!starts(sign)) continue;
      at_ += sign.size();
      balance(sign, begin);
      return add(TokenKind::sign, begin, std::string(sign));
    }
    size_t after = begin;
    next_code_point(text_, after);
    refuse(source_, begin, "unexpected character \"{}\"", text_.substr(begin, after - begin));
  }

  // Inside brackets "}}" closes two of them, not the tag.
  void balance(std::string_view sign, size_t at) {
    constexpr std::string_view kOpen = "([{", kClose = ")]}";
    if (const size_t open = kOpen.find(sign); open != kNowhere) brackets_ += kClose[open];
    if (kClose.find(sign) == kNowhere) return;
    if (brackets_.empty() || brackets_.back() != sign[0])
      refuse(source_, at, "unexpected \"{}\"", sign);
    brackets_.pop_back();
  }

  const Source& source_;
  std::string_view text_;
  size_t at_ = 0;
  bool line_starts_ = true;  // the last tag, or the template's begin, is followed by a line's begin
  std::string brackets_;     // the closing brackets that are due
  std::vector<Token> tokens_;
};

}  // namespace

Source make_source(std::string_view text, std::string origin) {
  if (!is_utf8(text)) fail(ErrorKind::format, "{}: the chat template is not valid UTF-8", origin);
  Source source{.text = {}, .origin = std::move(origin)};
  source.text.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    source.text += text[i] == '\r' ? '\n' : text[i];
  }
  if (source.text.ends_with('\n')) source.text.pop_back();
  return source;
}

std::vector<Token> tokens_of(const Source& source) {
  return Lexer(source).run();
}

}  // namespace patina::chat

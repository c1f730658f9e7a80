#include "patina/text/chat/parse/string_literal.h"

#include "patina/text/unicode/unicode.h"

namespace patina::chat {

namespace {

// As Jinja reads a literal: characters beyond ASCII are escaped first, so that a backslash before
// one of them escapes the backslash of its escape sequence.
std::string ascii_escaped(std::string_view raw) {
  std::string out;
  for (size_t at = 0; at < raw.size();) {
    const char32_t c = next_code_point(raw, at);
    if (c < 0x80)
      out += char(c);
    else if (c < 0x100)
      out += fmt::format("\\x{:02x}", uint32_t(c));
    else
      out += c < 0x10000 ? fmt::format("\\u{:04x}", uint32_t(c))
                         : fmt::format("\\U{:08x}", uint32_t(c));
  }
  return out;
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = char(c | 0x20);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

class Unescaper {
 public:
  Unescaper(std::string_view text, const Source& source, size_t at)
      : text_(text), source_(source), place_(at) {}

  std::string run() {
    while (at_ < text_.size()) {
      if (const char c = text_[at_++]; c != '\\')
        out_ += c;
      else
        sequence();
    }
    return std::move(out_);
  }

 private:
  void sequence() {
    constexpr std::string_view kNames = "\\'\"abfnrtv", kMeanings = "\\'\"\a\b\f\n\r\t\v";
    if (at_ == text_.size()) refuse(source_, place_, "\\ at the end of a string");
    const char c = text_[at_++];
    if (const size_t known = kNames.find(c); known != std::string_view::npos)
      out_ += kMeanings[known];
    else if (c >= '0' && c <= '7')
      octal();
    else if (c == 'x' || c == 'u' || c == 'U')
      hexadecimal(c, c == 'x' ? 2 : c == 'u' ? 4 : 8);
    else if (c == 'N')
      refuse(source_, place_, "\\N in a string is not supported");
    else if (c != '\n')
      out_ += {'\\', c};
  }

  void octal() {
    char32_t value = 0;
    --at_;
    for (int i = 0; i < 3 && at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '7'; ++i)
      value = value * 8 + char32_t(text_[at_++] - '0');
    append_utf8(out_, value);
  }

  void hexadecimal(char letter, int length) {
    char32_t value = 0;
    for (int i = 0; i < length; ++i) {
      const int digit = at_ < text_.size() ? hex_value(text_[at_]) : -1;
      if (digit < 0) refuse(source_, place_, "\\{} in a string needs {} digits", letter, length);
      value = value * 16 + char32_t(digit);
      ++at_;
    }
    if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
      refuse(source_, place_, "\\{} in a string is not a character", letter);
    append_utf8(out_, value);
  }

  std::string_view text_;
  const Source& source_;
  size_t place_, at_ = 0;
  std::string out_;
};

}  // namespace

std::string unescaped(std::string_view raw, const Source& source, size_t at) {
  // Without a backslash there is nothing to escape, and so nothing to unescape.
  if (raw.find('\\') == std::string_view::npos) return std::string(raw);
  return Unescaper(ascii_escaped(raw), source, at).run();
}

}  // namespace patina::chat

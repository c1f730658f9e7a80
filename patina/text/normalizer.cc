#include "patina/text/normalizer.h"

#include <algorithm>

#include "patina/base/error.h"

namespace patina {

namespace {

bool is_ideograph(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) ||
         (c >= 0x20000 && c <= 0x2a6df) || (c >= 0x2a700 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

// Calls `write(out, code point)` for each code point and returns `out`.
template <class Write>
std::string rewritten(const std::string& text, Write write) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) write(out, next_code_point(text, at));
  return out;
}

}  // namespace

std::string bert_cleaned(const std::string& text) {
  return rewritten(text, [](std::string& out, char32_t c) {
    if (is_space_separator(c) || c == '\t' || c == '\n' || c == '\r')
      out += ' ';
    else if (c != kReplacement && !is_other(c))
      append_utf8(out, c);
  });
}

std::string with_spaced_ideographs(std::string text) {
  if (is_ascii(text)) return text;
  return rewritten(text, [](std::string& out, char32_t c) {
    const bool apart = is_ideograph(c);
    if (apart) out += ' ';
    append_utf8(out, c);
    if (apart) out += ' ';
  });
}

std::string without(const std::string& text, bool (*is)(char32_t)) {
  return rewritten(text, [is](std::string& out, char32_t c) {
    if (!is(c)) append_utf8(out, c);
  });
}

std::string stripped(const std::string& text, bool (*is)(char32_t), bool left, bool right) {
  const std::u32string all = to_utf32(text);
  auto begin = all.begin(), end = all.end();
  if (left) begin = std::find_if_not(begin, end, is);
  if (right)
    while (end != begin && is(end[-1])) --end;
  return to_utf8({begin, end});
}

Normalizer in_normal_form(NormalForm form) {
  return [form](std::string text) { return normalized(std::move(text), form); };
}

Normalizer in_lower_case(Sigma sigma) {
  return [sigma](std::string text) { return lower_case(std::move(text), sigma); };
}

Normalizer in_sequence(std::vector<Normalizer> steps) {
  if (steps.empty()) return nullptr;
  return [steps = std::move(steps)](std::string text) {
    const size_t most = 64 * (text.size() + 64);
    for (const auto& step : steps) {
      text = step(std::move(text));
      if (text.size() > most)
        fail(ErrorKind::format,
             "the tokenizer's normalizer makes a text more than 64 times as long");
    }
    return text;
  };
}

}  // namespace patina

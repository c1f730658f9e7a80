#include "patina/text/added_tokens.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/text/model/vocabulary.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

bool touches_word(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && is_word(code_point_before(text, begin))) return true;
  return end < text.size() && is_word(next_code_point(text, end));
}

size_t stripped_begin(std::string_view text, size_t from, size_t begin) {
  while (begin > from && is_space(code_point_before(text, begin))) {
    do {
      --begin;
    } while ((static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80);
  }
  return begin;
}

size_t stripped_end(std::string_view text, size_t end) {
  for (size_t next = end; end < text.size(); end = next)
    if (!is_space(next_code_point(text, next))) break;
  return end;
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedToken>& tokens, std::string_view origin) {
  constexpr size_t kLongest = 256;  // bounds the work at each position of a text
  for (const auto& token : tokens) {
    const size_t length = token.text.size();
    if (length == 0 || length > kLongest)
      fail(ErrorKind::format, "{}: the added token {} has {} bytes; 1 to {} are allowed", origin,
           shown(token.text), length, kLongest);
    tokens_.insert_or_assign(token.text, token);
    auto& lengths = lengths_[uint8_t(token.text[0])];
    const auto at = std::lower_bound(lengths.begin(), lengths.end(), length, std::greater<>());
    if (at == lengths.end() || *at != length) lengths.insert(at, length);
  }
}

const AddedToken* AddedTokens::longest_at(std::string_view text, size_t at) const {
  for (const size_t length : lengths_[uint8_t(text[at])]) {
    if (length > text.size() - at) continue;
    const auto found = tokens_.find(std::string(text.substr(at, length)));
    if (found != tokens_.end()) return &found->second;
  }
  return nullptr;
}

void AddedTokens::split(std::string_view text, const OnText& on_text,
                        const OnToken& on_token) const {
  size_t from = 0;  // beginning of the text not yet handed out
  for (size_t at = 0; at < text.size() && !tokens_.empty(); ++at) {
    const AddedToken* token = longest_at(text, at);
    if (!token) continue;
    size_t end = at + token->text.size();
    if (token->single_word && touches_word(text, at, end)) {
      at = end - 1;
      continue;
    }
    const size_t begin = token->left_strip ? stripped_begin(text, from, at) : at;
    if (begin > from) on_text(text.substr(from, begin - from), from);
    on_token(*token);
    from = token->right_strip ? stripped_end(text, end) : end;
    at = from - 1;
  }
  if (from < text.size()) on_text(text.substr(from), from);
}

}  // namespace patina

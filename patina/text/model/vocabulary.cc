#include "patina/text/model/vocabulary.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

constexpr int64_t kMostUnused = 65'536;

int64_t past_largest(const std::vector<NumberedToken>& tokens) {
  int64_t end = 0;
  for (const auto& token : tokens) end = std::max(end, token.id + 1);
  return end;
}

}  // namespace

std::string shown(std::string_view text) {
  constexpr size_t kLongest = 60;
  std::string out = "\"";
  size_t at = 0;
  for (size_t i = 0; i < kLongest && at < text.size(); ++i) {
    const char32_t c = next_code_point(text, at);
    append_utf8(out, is_other(c) ? kReplacement : c);
  }
  return out + (at < text.size() ? "...\"" : "\"");
}

Vocabulary::Vocabulary(std::vector<NumberedToken> tokens, std::vector<NumberedToken> added,
                       std::string_view origin) {
  if (tokens.empty()) fail(ErrorKind::format, "{}: the vocabulary is empty", origin);
  const auto count = int64_t(tokens.size() + added.size());
  if (count > kMostTokens)
    fail(ErrorKind::format, "{}: {} tokens, more than the limit of {}", origin, count, kMostTokens);
  for (const auto* list : {&tokens, &added})
    for (const auto& token : *list)
      if (token.id < 0 || token.id >= count + kMostUnused)
        fail(ErrorKind::format, "{}: token {} has the id {}, which does not fit {} tokens", origin,
             shown(token.text), token.id, count);

  const int64_t base = past_largest(tokens);
  tokens_.resize(size_t(std::max(base, past_largest(added))));
  ids_.reserve(size_t(count));
  for (auto& token : tokens) place(std::move(token), origin);
  for (auto& token : added)
    if (id(token.text) != token.id) place(std::move(token), origin);
  const auto gap = std::find(tokens_.begin(), tokens_.begin() + base, "");
  if (gap != tokens_.begin() + base)
    fail(ErrorKind::format, "{}: no token has the id {}, though there are ids up to {}", origin,
         gap - tokens_.begin(), base - 1);
}

void Vocabulary::place(NumberedToken token, std::string_view origin) {
  if (token.text.empty())
    fail(ErrorKind::format, "{}: the token with id {} is empty", origin, token.id);
  if (token.text.size() > kLongestToken)
    fail(ErrorKind::format, "{}: the token with id {} has {} bytes, more than the limit of {}",
         origin, token.id, token.text.size(), kLongestToken);
  std::string& slot = tokens_[size_t(token.id)];
  if (!slot.empty())
    fail(ErrorKind::format, "{}: tokens {} and {} have the same id, {}", origin, shown(slot),
         shown(token.text), token.id);
  if (const auto other = id(token.text))
    fail(ErrorKind::format, "{}: token {} occurs twice, with ids {} and {}", origin,
         shown(token.text), *other, token.id);
  slot = std::move(token.text);
  ids_.emplace(slot, int32_t(token.id));
}

}  // namespace patina

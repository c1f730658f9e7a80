// The SQuAD v1.1 scores, implemented from their definition.
#include "patina/eval/text/text_match.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "patina/eval/text/python_repr.h"
#include "patina/eval/text/text_tokens.h"

namespace patina {
namespace {

bool is_punctuation(char32_t c) {
  return c < 0x7F && c > U' ' && !(c >= U'0' && c <= U'9') && !(c >= U'A' && c <= U'Z') &&
         !(c >= U'a' && c <= U'z');
}

/// Replaces each a, an and the by a space if it is a whole word.
std::u32string without_articles(const std::u32string& text) {
  std::u32string result;
  auto at = text.begin();
  while (at != text.end()) {
    const auto end = std::find_if_not(at, text.end(), python::is_word);
    const std::u32string word(at, end);
    result += word == U"a" || word == U"an" || word == U"the" ? U" " : word;
    at = std::find_if(end, text.end(), python::is_word);
    result.append(end, at);
  }
  return result;
}

Tokens words(std::string_view text, Articles articles) {
  std::u32string plain = to_utf32(lower_case(std::string(text), Sigma::by_word));
  std::erase_if(plain, is_punctuation);
  return python::split(to_utf8(articles == Articles::removed ? without_articles(plain) : plain));
}

Score normalised_match(std::string_view prediction, std::span<const std::string> references,
                       Articles articles) {
  const std::string answer = normalised_answer(prediction, articles);
  return best_over(references,
                   [&](const auto& each) { return normalised_answer(each, articles) == answer; });
}

}  // namespace

std::string normalised_answer(std::string_view text, Articles articles) {
  return fmt::format("{}", fmt::join(words(text, articles), " "));
}

Score exact_match(std::string_view prediction, std::span<const std::string> references) {
  return normalised_match(prediction, references, Articles::removed);
}

Score exact_match_keeping_articles(std::string_view prediction,
                                   std::span<const std::string> references) {
  return normalised_match(prediction, references, Articles::kept);
}

Score exact_match_raw(std::string_view prediction, std::span<const std::string> references) {
  return best_over(references, [&](const auto& each) { return each == prediction; });
}

Score token_f1(std::string_view prediction, std::span<const std::string> references) {
  const NgramCounts answer = ngram_counts(words(prediction, Articles::removed), 1);
  return best_over(references, [&](const auto& each) {
    const NgramCounts expected = ngram_counts(words(each, Articles::removed), 1);
    const auto shared = static_cast<double>(overlap(answer, expected));
    return shared == 0 ? 0 : 2 * shared / static_cast<double>(total(answer) + total(expected));
  });
}

}  // namespace patina

// ROUGE over numbered tokens, so that sequences can be compared quickly.
#include "patina/eval/text/rouge.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "patina/base/error.h"
#include "patina/eval/text/python_repr.h"
#include "patina/eval/text/sequence_match.h"
#include "patina/eval/text/text_tokens.h"

namespace patina {
namespace {

/// Converts texts to sequences of token numbers. Equal tokens have equal numbers.
class TokenNumbers {
 public:
  std::u32string operator()(const Tokens& tokens) {
    std::u32string numbers;
    for (const auto& token : tokens)
      numbers += numbers_.try_emplace(token, static_cast<char32_t>(numbers_.size())).first->second;
    return numbers;
  }

 private:
  std::unordered_map<std::string, char32_t> numbers_;
};

using Sentences = std::vector<std::u32string>;
using TokenCounts = std::unordered_map<char32_t, int64_t>;

RougeScore rouge_score(int64_t hits, int64_t predicted, int64_t expected) {
  RougeScore score;
  if (hits == 0) return score;
  score.precision = static_cast<double>(hits) / static_cast<double>(predicted);
  score.recall = static_cast<double>(hits) / static_cast<double>(expected);
  score.f = 2 * score.precision * score.recall / (score.precision + score.recall);
  return score;
}

std::vector<std::string_view> pieces(std::string_view text, char separator) {
  std::vector<std::string_view> found;
  while (!text.empty()) {
    const size_t end = std::min(text.find(separator), text.size());
    if (end > 0) found.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return found;
}

Tokens tokens_of(std::string_view text, Stemming stemming) {
  return rouge_tokens(text, stemming == Stemming::porter);
}

Sentences rouge_sentences(std::string_view text, Stemming stemming, TokenNumbers& numbers) {
  Sentences sentences;
  for (const auto& line : pieces(text, '\n'))
    sentences.push_back(numbers(tokens_of(line, stemming)));
  return sentences;
}

TokenCounts token_counts(const Sentences& sentences) {
  TokenCounts counts;
  for (const auto& sentence : sentences)
    for (const char32_t token : sentence) ++counts[token];
  return counts;
}

int64_t size_of(const Sentences& sentences) {
  int64_t sum = 0;
  for (const auto& sentence : sentences) sum += static_cast<int64_t>(sentence.size());
  return sum;
}

/// The positions of `sentence` that belong to its longest common subsequence with one of `others`.
std::set<size_t> union_positions(const std::u32string& sentence,
                                 const std::set<std::u32string>& others) {
  CommonSubsequence common(sentence);
  std::set<size_t> found;
  for (const auto& other : others)
    for (const size_t at : common.positions(other)) found.insert(at);
  return found;
}

// The rouge package joins the words of a sentence with spaces and splits them there again. A
// sentence of white space therefore contains one empty word.
Sentences trace_sentences(std::string_view text, TokenNumbers& numbers) {
  Sentences sentences;
  for (const auto& sentence : pieces(text, '.')) {
    Tokens words = python::split(sentence);
    if (words.empty()) words.emplace_back();
    sentences.push_back(numbers(words));
  }
  return sentences;
}

}  // namespace

RougeScore rouge_n(std::string_view prediction, std::string_view reference, size_t n,
                   Stemming stemming) {
  PATINA_REQUIRE(n > 0, "ROUGE of n-grams of no tokens");
  const NgramCounts predicted = ngram_counts(tokens_of(prediction, stemming), n);
  const NgramCounts expected = ngram_counts(tokens_of(reference, stemming), n);
  return rouge_score(overlap(predicted, expected), total(predicted), total(expected));
}

RougeScore rouge_l(std::string_view prediction, std::string_view reference, Stemming stemming) {
  TokenNumbers numbers;
  const auto predicted = numbers(tokens_of(prediction, stemming));
  const auto expected = numbers(tokens_of(reference, stemming));
  const auto hits = static_cast<int64_t>(CommonSubsequence(expected).length(predicted));
  return rouge_score(hits, static_cast<int64_t>(predicted.size()),
                     static_cast<int64_t>(expected.size()));
}

RougeScore rouge_l_sum(std::string_view prediction, std::string_view reference, Stemming stemming) {
  TokenNumbers numbers;
  const Sentences predicted = rouge_sentences(prediction, stemming, numbers);
  const Sentences expected = rouge_sentences(reference, stemming, numbers);
  const std::set<std::u32string> distinct(predicted.begin(), predicted.end());
  TokenCounts left_predicted = token_counts(predicted), left_expected = token_counts(expected);
  int64_t hits = 0;
  for (const auto& sentence : expected)
    for (const size_t at : union_positions(sentence, distinct)) {
      int64_t& ours = left_predicted[sentence[at]];
      int64_t& theirs = left_expected[sentence[at]];
      if (ours == 0 || theirs == 0) continue;
      --ours, --theirs, ++hits;
    }
  return rouge_score(hits, size_of(predicted), size_of(expected));
}

Score trace_rouge_l_f(std::string_view prediction, std::string_view reference) {
  TokenNumbers numbers;
  const Sentences predicted = trace_sentences(prediction, numbers);
  const Sentences expected = trace_sentences(reference, numbers);
  if (predicted.empty() || expected.empty()) return std::nullopt;
  const std::set<std::u32string> distinct(predicted.begin(), predicted.end());
  std::set<char32_t> hits;
  // TRACE passes the reference in the place of the evaluated text. If several common subsequences
  // have the greatest length, this decides which one counts.
  for (const auto& sentence : expected)
    for (const size_t at : union_positions(sentence, distinct)) hits.insert(sentence[at]);
  const auto shared = static_cast<double>(hits.size());
  const double precision = shared / static_cast<double>(token_counts(expected).size());
  const double recall = shared / static_cast<double>(token_counts(predicted).size());
  return 2 * (precision * recall / (precision + recall + 1e-8));
}

}  // namespace patina

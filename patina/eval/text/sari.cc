// SARI from counts of n-grams.
#include "patina/eval/text/sari.h"

#include <algorithm>

#include "patina/eval/text/python_repr.h"
#include "patina/eval/text/text_tokens.h"

namespace patina {
namespace {

constexpr size_t kLongestNgram = 4;

Tokens sari_tokens(std::string_view text) {
  Tokens tokens = tokens_13a(lower_case(std::string(text), Sigma::by_word));
  if (tokens.empty()) tokens.emplace_back();
  return tokens;
}

double f1(double precision, double recall) {
  return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

/// 0/0 is 1: there was nothing to do, and nothing was done.
double fraction(double part, int64_t whole) {
  return whole == 0 ? 1 : part / static_cast<double>(whole);
}

/// N-grams of source and prediction, with counts multiplied by the number of references, and the
/// n-grams of all references together.
struct Ngrams {
  NgramCounts source, prediction, references;
};

NgramCounts times(NgramCounts counts, size_t factor) {
  for (auto& [ngram, count] : counts) count *= static_cast<int64_t>(factor);
  return counts;
}

double keep_score(const Ngrams& ngrams) {
  double shares = 0;  // sum over kept n-grams of the fraction that references also keep
  int64_t kept = 0, kept_rightly = 0, to_keep = 0;
  for (const auto& [ngram, in_source] : ngrams.source) {
    const int64_t keeps = std::min(in_source, count(ngrams.prediction, ngram));
    const int64_t expected = count(ngrams.references, ngram);
    const int64_t rightly = std::min(keeps, expected);
    to_keep += std::min(in_source, expected);
    kept += keeps > 0;
    kept_rightly += rightly;
    if (keeps > 0) shares += static_cast<double>(rightly) / static_cast<double>(keeps);
  }
  return f1(fraction(shares, kept), fraction(static_cast<double>(kept_rightly), to_keep));
}

double delete_score(const Ngrams& ngrams) {
  double shares = 0;  // sum over deleted n-grams of the fraction that references also delete
  int64_t deleted = 0;
  for (const auto& [ngram, in_source] : ngrams.source) {
    const int64_t deletes = in_source - count(ngrams.prediction, ngram);
    if (deletes <= 0) continue;
    ++deleted;
    const int64_t rightly = std::max<int64_t>(deletes - count(ngrams.references, ngram), 0);
    shares += static_cast<double>(rightly) / static_cast<double>(deletes);
  }
  return fraction(shares, deleted);
}

double add_score(const Ngrams& ngrams) {
  const auto is_new = [&](const auto& entry) { return !ngrams.source.contains(entry.first); };
  const auto added = std::count_if(ngrams.prediction.begin(), ngrams.prediction.end(), is_new);
  const auto to_add = std::count_if(ngrams.references.begin(), ngrams.references.end(), is_new);
  const auto rightly = static_cast<double>(std::count_if(
      ngrams.prediction.begin(), ngrams.prediction.end(),
      [&](const auto& entry) { return is_new(entry) && ngrams.references.contains(entry.first); }));
  return f1(fraction(rightly, added), fraction(rightly, to_add));
}

}  // namespace

Score sari(std::string_view source, std::string_view prediction,
           std::span<const std::string> references) {
  if (references.empty()) return std::nullopt;
  const Tokens from = sari_tokens(source), to = sari_tokens(prediction);
  std::vector<Tokens> expected;
  for (const auto& reference : references) expected.push_back(sari_tokens(reference));
  double sum = 0;
  for (size_t n = 1; n <= kLongestNgram; ++n) {
    Ngrams ngrams = {times(ngram_counts(from, n), references.size()),
                     times(ngram_counts(to, n), references.size()),
                     {}};
    for (const auto& tokens : expected)
      for (const auto& [ngram, count] : ngram_counts(tokens, n)) ngrams.references[ngram] += count;
    sum += keep_score(ngrams) + delete_score(ngrams) + add_score(ngrams);
  }
  return 100 * sum / (3 * static_cast<double>(kLongestNgram));
}

Score corpus_sari(std::span<const TextSample> samples) {
  if (samples.empty()) return std::nullopt;
  double sum = 0;
  for (const auto& sample : samples) {
    const Score score = sari(sample.source, sample.prediction, sample.references);
    if (!score) return std::nullopt;
    sum += *score;
  }
  return sum / static_cast<double>(samples.size());
}

}  // namespace patina

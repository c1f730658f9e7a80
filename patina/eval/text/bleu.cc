// BLEU from counts of n-grams.
#include "patina/eval/text/bleu.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "patina/base/error.h"
#include "patina/eval/text/python_repr.h"
#include "patina/eval/text/text_tokens.h"

namespace patina {
namespace {

Tokens sacrebleu_tokens(std::string_view text, Case letters) {
  return tokens_13a(python::strip_right(letters == Case::lowered
                                            ? lower_case(std::string(text), Sigma::by_word)
                                            : std::string(text)));
}

/// The largest count of each n-gram in any one reference.
NgramCounts largest_counts(std::span<const Tokens> references, size_t n) {
  NgramCounts largest;
  for (const auto& reference : references)
    for (const auto& [ngram, times] : ngram_counts(reference, n)) {
      int64_t& most = largest[ngram];
      most = std::max(most, times);
    }
  return largest;
}

int64_t nearest_length(std::span<const Tokens> references, int64_t length) {
  const auto farness = [&](const Tokens& reference) {
    const auto own = static_cast<int64_t>(reference.size());
    return std::pair(std::abs(own - length), own);
  };
  return farness(*std::min_element(
                     references.begin(), references.end(),
                     [&](const auto& a, const auto& b) { return farness(a) < farness(b); }))
      .second;
}

void add(Bleu& bleu, const Tokens& prediction, std::span<const Tokens> references) {
  for (size_t n = 1; n <= kBleuOrder; ++n) {
    const NgramCounts ngrams = ngram_counts(prediction, n);
    bleu.counts[n - 1] += overlap(ngrams, largest_counts(references, n));
    bleu.totals[n - 1] += total(ngrams);
  }
  const auto length = static_cast<int64_t>(prediction.size());
  bleu.prediction_tokens += length;
  bleu.reference_tokens += nearest_length(references, length);
}

void add(Bleu& bleu, std::string_view prediction, std::span<const std::string> references,
         Case letters) {
  std::vector<Tokens> expected;
  for (const auto& reference : references) expected.push_back(sacrebleu_tokens(reference, letters));
  add(bleu, sacrebleu_tokens(prediction, letters), expected);
}

double brevity_penalty(int64_t prediction_tokens, int64_t reference_tokens) {
  if (prediction_tokens >= reference_tokens) return 1;
  if (prediction_tokens == 0) return 0;
  return std::exp(1 -
                  static_cast<double>(reference_tokens) / static_cast<double>(prediction_tokens));
}

/// Computes precisions and score from the counts. The score averages over all orders, or, with
/// `only_present_orders`, over those for which the prediction has n-grams.
Bleu finished(Bleu bleu, bool only_present_orders) {
  bleu.brevity_penalty = brevity_penalty(bleu.prediction_tokens, bleu.reference_tokens);
  if (bleu.counts[0] == 0) return bleu;  // without a common word there is no longer n-gram either
  double smoothing = 1;
  const auto present = static_cast<size_t>(std::find(bleu.totals.begin(), bleu.totals.end(), 0) -
                                           bleu.totals.begin());
  double log_sum = 0;
  for (size_t n = 0; n < present; ++n) {
    const auto count = static_cast<double>(bleu.counts[n]);
    const auto total = static_cast<double>(bleu.totals[n]);
    bleu.precisions[n] = 100 * (count > 0 ? count : 1 / (smoothing *= 2)) / total;
    log_sum += std::log(bleu.precisions[n]);
  }
  if (present == kBleuOrder || only_present_orders)
    bleu.score = bleu.brevity_penalty * std::exp(log_sum / static_cast<double>(present));
  return bleu;
}

}  // namespace

std::optional<Bleu> corpus_bleu(std::span<const TextSample> samples, Case letters) {
  if (samples.empty()) return std::nullopt;
  Bleu bleu;
  for (const auto& sample : samples) {
    if (sample.references.empty()) return std::nullopt;
    add(bleu, sample.prediction, sample.references, letters);
  }
  return finished(bleu, false);
}

std::optional<Bleu> sentence_bleu(std::string_view prediction,
                                  std::span<const std::string> references, Case letters) {
  if (references.empty()) return std::nullopt;
  Bleu bleu;
  add(bleu, prediction, references, letters);
  return finished(bleu, true);
}

double trace_bleu(std::string_view prediction, std::string_view reference, size_t order) {
  PATINA_REQUIRE(order >= 1 && order <= kBleuOrder, "BLEU-{}", order);
  const Tokens expected = trace_bleu_tokens(reference);
  Bleu bleu;
  add(bleu, trace_bleu_tokens(prediction), std::span(&expected, 1));
  if (bleu.counts[0] == 0) return 0;
  double log_sum = 0;
  for (size_t n = 0; n < order; ++n)
    log_sum += std::log(bleu.counts[n] == 0 ? std::numeric_limits<double>::min()
                                            : static_cast<double>(bleu.counts[n]) /
                                                  static_cast<double>(bleu.totals[n]));
  return brevity_penalty(bleu.prediction_tokens, bleu.reference_tokens) *
         std::exp(log_sum / static_cast<double>(order));
}

}  // namespace patina

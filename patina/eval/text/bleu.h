// BLEU (Papineni et al., ACL 2002): sacrebleu's (Post, WMT 2018) and the variant TRACE reports.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "patina/eval/text/text_sample.h"

namespace patina {

inline constexpr size_t kBleuOrder = 4;

/// BLEU and what it was made of, with sacrebleu's 13a tokens.
struct Bleu {
  double score = 0;  // in [0, 100]: brevity penalty * geometric mean of the precisions

  std::array<int64_t, kBleuOrder> counts{};  // n-grams found in a reference, each at most as often
                                             // as in the reference that has most of it
  std::array<int64_t, kBleuOrder> totals{};  // n-grams of the predictions
  // 100 counts/totals; an order with no count is smoothed, 100 / (2^k total) for the k-th such
  // ("exp", mteval-v13a's); all 0 when no order has a count.
  std::array<double, kBleuOrder> precisions{};

  double brevity_penalty = 0;     // exp(1 - r/c) when c < r, else 1; 0 without predicted tokens
  int64_t prediction_tokens = 0;  // c
  int64_t reference_tokens = 0;   // r: of each sample's references the length nearest to the
                                  // prediction's, the shorter of two
};

enum class Case { kept, lowered };

/// BLEU of the whole corpus: counts are summed over samples before anything is divided. All four
/// orders count, so 0 when no prediction has four tokens. Undefined without samples, or when one
/// has no reference.
std::optional<Bleu> corpus_bleu(std::span<const TextSample> samples, Case letters = Case::kept);

/// BLEU of one sample, over the orders that the prediction is long enough for (sacrebleu's
/// sentence_bleu: effective order). Undefined without references.
std::optional<Bleu> sentence_bleu(std::string_view prediction,
                                  std::span<const std::string> references,
                                  Case letters = Case::kept);

/// TRACE's BLEU-n (Wang et al., 2023), in [0, 1]: nltk 3.8's sentence_bleu with weights 1/n, tokens
/// split at white space and full stops, case kept. There is no smoothing: an order without a match
/// counts 2.2e-308 (the smallest normal double), so the score is tiny but not 0; without a common
/// word it is 0. `order` is in [1, 4].
double trace_bleu(std::string_view prediction, std::string_view reference, size_t order);

}  // namespace patina

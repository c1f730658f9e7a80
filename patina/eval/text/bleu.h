// BLEU (Papineni et al., ACL 2002): sacrebleu's (Post, WMT 2018), and the variant that TRACE
// reports.
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

/// BLEU with its components. Tokens are sacrebleu's 13a tokens.
struct Bleu {
  double score = 0;  // in [0, 100]: brevity penalty * geometric mean of the precisions

  std::array<int64_t, kBleuOrder> counts{};  // matched n-grams; each counts at most as often as
                                             // in the reference that has it most often
  std::array<int64_t, kBleuOrder> totals{};  // n-grams of the predictions
  // 100 counts / totals. If an order has no match, its precision is smoothed: 100 / (2^k total) for
  // the k-th such order ("exp", as in mteval-v13a). All are 0 if no order has a match.
  std::array<double, kBleuOrder> precisions{};

  double brevity_penalty = 0;     // exp(1 - r/c) if c < r, else 1; 0 without predicted tokens
  int64_t prediction_tokens = 0;  // c
  int64_t reference_tokens = 0;   // r: sum over samples of the length of the reference
                                  // nearest to the prediction's, the shorter of two
};

enum class Case { kept, lowered };

/// BLEU of a corpus: counts are summed over all samples before dividing. All four orders count, so
/// the score is 0 if no prediction has four tokens. Undefined if there are no samples, or if a
/// sample has no reference.
std::optional<Bleu> corpus_bleu(std::span<const TextSample> samples, Case letters = Case::kept);

/// BLEU of one sample, over the orders for which the prediction is long enough (sacrebleu's
/// sentence_bleu with effective order). Undefined without references.
std::optional<Bleu> sentence_bleu(std::string_view prediction,
                                  std::span<const std::string> references,
                                  Case letters = Case::kept);

/// TRACE's BLEU-n (Wang et al., 2023), in [0, 1]: nltk 3.8's sentence_bleu with weights 1/n. Tokens
/// are split at white space and full stops; case is kept. Without smoothing, an order without a
/// match counts as 2.2e-308 (the smallest normal double): the score is tiny but not 0. It is 0 if
/// no word matches. `order` is in [1, 4].
double trace_bleu(std::string_view prediction, std::string_view reference, size_t order);

}  // namespace patina

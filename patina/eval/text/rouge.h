// ROUGE (Lin, "ROUGE: a package for automatic evaluation of summaries", 2004) as Google's
// rouge_score computes it, and the variant that TRACE reports. Values in [0, 1].
#pragma once

#include <cstddef>
#include <string_view>

#include "patina/eval/matrix.h"

namespace patina {

/// All 0 where the prediction or the reference has no tokens, as in rouge_score.
struct RougeScore {
  double precision = 0, recall = 0;  // hits / tokens (n-grams) of the prediction, of the reference
  double f = 0;                      // 2PR / (P + R): beta is 1; 0 when both are
};

/// Tokens are runs of a-z and 0-9 in lower case; with Stemming::porter those longer than three
/// letters are stemmed (porter_stemmer.h).
enum class Stemming { none, porter };

/// ROUGE-n: n-grams in common, each as often as both have it. `n` is at least 1.
RougeScore rouge_n(std::string_view prediction, std::string_view reference, size_t n,
                   Stemming stemming = Stemming::none);

/// ROUGE-L: the longest common subsequence of the whole texts; line ends do not count.
RougeScore rouge_l(std::string_view prediction, std::string_view reference,
                   Stemming stemming = Stemming::none);

/// ROUGE-Lsum, of texts with one sentence a line: for each sentence of the reference the union of
/// its longest common subsequences with every sentence of the prediction; each token hits at most
/// as often as it occurs on both sides. Time grows with the product of the sentences' numbers.
RougeScore rouge_l_sum(std::string_view prediction, std::string_view reference,
                       Stemming stemming = Stemming::none);

/// The F of ROUGE-L in TRACE (Wang et al., 2023), from the Python package rouge 1.0.1: sentences
/// end at full stops, words at white space, case and punctuation are kept. Hits are the different
/// words in the longest common subsequences of all pairs of sentences, divided by the different
/// words of each side; F = 2PR / (P + R + 1e-8). Undefined where a side has nothing but full stops.
Score trace_rouge_l_f(std::string_view prediction, std::string_view reference);

}  // namespace patina

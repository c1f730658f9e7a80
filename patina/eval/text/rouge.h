// ROUGE (Lin, "ROUGE: a package for automatic evaluation of summaries", 2004) as in Google's
// rouge_score, and the variant that TRACE reports. All values are in [0, 1].
#pragma once

#include <cstddef>
#include <string_view>

#include "patina/eval/matrix.h"

namespace patina {

/// All values are 0 if the prediction or the reference has no tokens, as in rouge_score.
struct RougeScore {
  double precision = 0, recall = 0;  // matches / tokens (n-grams) of prediction, of reference
  double f = 0;                      // 2PR / (P + R), that is, beta = 1; 0 if P and R are 0
};

/// Tokens are runs of a-z and 0-9 in lower case. With Stemming::porter, tokens longer than three
/// letters are stemmed (porter_stemmer.h).
enum class Stemming { none, porter };

/// ROUGE-n: common n-grams, each counted as often as it occurs in both. `n` is at least 1.
RougeScore rouge_n(std::string_view prediction, std::string_view reference, size_t n,
                   Stemming stemming = Stemming::none);

/// ROUGE-L: the longest common subsequence of the whole texts. Line ends are ignored.
RougeScore rouge_l(std::string_view prediction, std::string_view reference,
                   Stemming stemming = Stemming::none);

/// ROUGE-Lsum for texts with one sentence per line. For each sentence of the reference, it takes
/// the union of the longest common subsequences with all sentences of the prediction. A token
/// matches at most as often as it occurs on each side. Time grows with the product of the numbers
/// of sentences.
RougeScore rouge_l_sum(std::string_view prediction, std::string_view reference,
                       Stemming stemming = Stemming::none);

/// The F of ROUGE-L in TRACE (Wang et al., 2023), as in the Python package rouge 1.0.1. Sentences
/// end at full stops, words at white space; case and punctuation are kept. Matches are the distinct
/// words in the longest common subsequences of all pairs of sentences; P and R divide them by the
/// distinct words of each side, and F = 2PR / (P + R + 1e-8). Undefined if a side has nothing but
/// full stops.
Score trace_rouge_l_f(std::string_view prediction, std::string_view reference);

}  // namespace patina

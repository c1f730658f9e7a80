// Answers against references: exact match and the F1 of their words (Rajpurkar et al., "SQuAD",
// EMNLP 2016), in [0, 1]. The best over the references counts; without references undefined.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "patina/eval/matrix.h"

namespace patina {

enum class Articles { removed, kept };

/// The SQuAD v1.1 script's normal form: lower case, ASCII punctuation removed (nothing in its
/// place), then the words a, an and the removed, white space single.
std::string normalised_answer(std::string_view text, Articles articles = Articles::removed);

/// 1 when the normal forms are equal, else 0: SQuAD v1.1.
Score exact_match(std::string_view prediction, std::span<const std::string> references);
/// The same with articles kept, as Super-NaturalInstructions, O-LoRA and SAPT score.
Score exact_match_keeping_articles(std::string_view prediction,
                                   std::span<const std::string> references);
/// 1 when the bytes are equal, else 0.
Score exact_match_raw(std::string_view prediction, std::span<const std::string> references);

/// 2PR / (P + R) over the words of the normal forms, each counted as often as both have it: SQuAD
/// v1.1, so 0 when nothing is shared, two empty answers included.
Score token_f1(std::string_view prediction, std::span<const std::string> references);

/// The largest of `value` over the references.
template <class Value>
Score best_over(std::span<const std::string> references, Value value) {
  Score best;
  for (const std::string& reference : references) {
    const Score score = value(reference);
    if (score && (!best || *score > *best)) best = score;
  }
  return best;
}

}  // namespace patina

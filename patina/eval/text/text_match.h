// Compares answers with references: exact match, and F1 of the words (Rajpurkar et al., "SQuAD",
// EMNLP 2016), in [0, 1]. The best score over the references counts. Undefined without references.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "patina/eval/matrix.h"

namespace patina {

enum class Articles { removed, kept };

/// The normal form of the SQuAD v1.1 script: lower case; ASCII punctuation deleted; then the words
/// a, an and the removed; single spaces.
std::string normalised_answer(std::string_view text, Articles articles = Articles::removed);

/// 1 if the normal forms are equal, else 0 (SQuAD v1.1).
Score exact_match(std::string_view prediction, std::span<const std::string> references);
/// The same, but articles are kept, as in Super-NaturalInstructions, O-LoRA and SAPT.
Score exact_match_keeping_articles(std::string_view prediction,
                                   std::span<const std::string> references);
/// 1 if the bytes are equal, else 0.
Score exact_match_raw(std::string_view prediction, std::span<const std::string> references);

/// 2PR / (P + R) over the words of the normal forms; a word counts as often as it occurs in both.
/// As in SQuAD v1.1 it is 0 if no word is shared, even for two empty answers.
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

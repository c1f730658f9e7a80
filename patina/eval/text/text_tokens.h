// The tokenisations that text metrics share, and counts of n-grams over them.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

using Tokens = std::vector<std::string>;

/// mteval-v13a, the tokenisation of WMT, as sacrebleu writes it: symbols stand alone, periods and
/// commas too unless a digit is on both sides, dashes after a digit; `-` at a line's end joins.
Tokens tokens_13a(std::string_view text);

/// Google rouge_score's: lower case, then runs of a-z and 0-9. With `stem`, words longer than three
/// letters are stemmed (porter_stemmer.h).
Tokens rouge_tokens(std::string_view text, bool stem);

/// TRACE's for BLEU: split at white space and full stops, case kept.
Tokens trace_bleu_tokens(std::string_view text);

/// How often each n-gram occurs: its tokens joined by spaces, which no token here holds.
using NgramCounts = std::map<std::string, int64_t>;
NgramCounts ngram_counts(std::span<const std::string> tokens, size_t n);

/// The count of a key, 0 when it is absent.
int64_t count(const NgramCounts& counts, const std::string& ngram);
/// All counts together.
int64_t total(const NgramCounts& counts);
/// What both have: sum over n-grams of the smaller count.
int64_t overlap(const NgramCounts& a, const NgramCounts& b);

}  // namespace patina

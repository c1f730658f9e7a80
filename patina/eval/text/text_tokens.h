// Tokenisations used by several text metrics, and counts of n-grams.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace patina {

using Tokens = std::vector<std::string>;

/// mteval-v13a, the tokenisation of WMT, as in sacrebleu. Symbols are tokens of their own.
/// So are periods and commas that are not between two digits, and dashes after a digit. A `-` at
/// the end of a line joins the lines.
Tokens tokens_13a(std::string_view text);

/// As Google's rouge_score: lower case, then runs of a-z and 0-9. With `stem`, words longer than
/// three letters are stemmed (porter_stemmer.h).
Tokens rouge_tokens(std::string_view text, bool stem);

/// TRACE's tokenisation for BLEU: split at white space and full stops; case is kept.
Tokens trace_bleu_tokens(std::string_view text);

/// The count of each n-gram. Its key is its tokens joined by spaces, which no token contains.
using NgramCounts = std::map<std::string, int64_t>;
NgramCounts ngram_counts(std::span<const std::string> tokens, size_t n);

/// The count of an n-gram; 0 if it is absent.
int64_t count(const NgramCounts& counts, const std::string& ngram);
/// The sum of all counts.
int64_t total(const NgramCounts& counts);
/// The common part: the sum over n-grams of the smaller count.
int64_t overlap(const NgramCounts& a, const NgramCounts& b);

}  // namespace patina

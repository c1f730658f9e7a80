// How alike two texts are, character by character: Levenshtein's distance and the ratios that tools
// call edit similarity or fuzz ratio. Characters are code points; what is not UTF-8 is read as
// U+FFFD, one a byte.
#pragma once

#include <cstddef>
#include <string_view>

namespace patina {

/// The fewest insertions, deletions and substitutions of one character between the texts
/// (Levenshtein, 1966). 100 kB against 100 kB take less than a second; time grows with the product.
size_t levenshtein_distance(std::string_view a, std::string_view b);

/// 1 - levenshtein_distance / (characters of the longer text); 1 for two empty texts.
double normalised_edit_similarity(std::string_view a, std::string_view b);

/// 1 - (insertions + deletions) / (characters of both), without substitutions: twice the longest
/// common subsequence over all characters. 1 for two empty texts. python-Levenshtein's and
/// rapidfuzz's ratio().
double indel_ratio(std::string_view a, std::string_view b);

/// 100 times indel_ratio, rounded half to even; 0 when one text alone is empty. What fuzzywuzzy's
/// fuzz.ratio gives where python-Levenshtein is installed, and the edit similarity of TRACE (Wang
/// et al., 2023).
int fuzz_ratio(std::string_view a, std::string_view b);

/// What fuzz.ratio gives without python-Levenshtein: 100 * 2M / (characters of both), rounded half
/// to even, with M the characters in Python difflib's matching blocks (Ratcliff and Metzener, 1988:
/// the longest common stretch, then the same left and right of it). As there, in a `b` of 200
/// characters or more, characters that make up over 1 % of it start no stretch. Not symmetric. Time
/// grows with the product of the lengths and more where little matches: not for long texts.
int fuzz_ratio_difflib(std::string_view a, std::string_view b);

}  // namespace patina

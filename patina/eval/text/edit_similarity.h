// Similarity of two texts, character by character: Levenshtein's distance, and the ratios that
// tools call edit similarity or fuzz ratio. Characters are code points; each byte that is not UTF-8
// is read as U+FFFD.
#pragma once

#include <cstddef>
#include <string_view>

namespace patina {

/// The least number of insertions, deletions and substitutions of single characters that change `a`
/// into `b` (Levenshtein, 1966). Time grows with the product of the lengths; 100 kB against 100 kB
/// take less than a second.
size_t levenshtein_distance(std::string_view a, std::string_view b);

/// 1 - levenshtein_distance / (characters of the longer text); 1 for two empty texts.
double normalised_edit_similarity(std::string_view a, std::string_view b);

/// 1 - (insertions + deletions) / (characters of both), without substitutions; equals twice the
/// longest common subsequence over the characters of both. 1 for two empty texts. The same as
/// ratio() of python-Levenshtein and rapidfuzz.
double indel_ratio(std::string_view a, std::string_view b);

/// 100 times indel_ratio, rounded half to even; 0 if exactly one text is empty. Equals fuzzywuzzy's
/// fuzz.ratio if python-Levenshtein is installed, and the edit similarity of TRACE (Wang et al.,
/// 2023).
int fuzz_ratio(std::string_view a, std::string_view b);

/// fuzz.ratio without python-Levenshtein: 100 * 2M / (characters of both), rounded half to even. M
/// is the number of characters in the matching blocks of Python's difflib (Ratcliff and Metzener,
/// 1988): the longest common stretch, then recursively the text to its left and right. As in
/// difflib, if `b` has 200 characters or more, those that make up more than 1 % of it do not begin
/// a stretch. Not symmetric. Time grows with the product of the lengths, and faster if little
/// matches: not for long texts.
int fuzz_ratio_difflib(std::string_view a, std::string_view b);

}  // namespace patina

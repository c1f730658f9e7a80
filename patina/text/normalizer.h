// Normalizers change a text before it is split. Input and output are valid UTF-8.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "patina/text/unicode/unicode.h"

namespace patina {

using Normalizer = std::function<std::string(std::string)>;

/// BERT's cleaning: removes control characters and U+FFFD, and turns all white space into spaces.
std::string bert_cleaned(const std::string& text);
/// Puts a space on both sides of each Chinese character (BERT's list of Unicode blocks).
std::string with_spaced_ideographs(std::string text);
/// Removes the characters of a class.
std::string without(const std::string& text, bool (*is)(char32_t));
/// Removes the characters of a class at the left end, the right end or both.
std::string stripped(const std::string& text, bool (*is)(char32_t), bool left, bool right);

Normalizer in_normal_form(NormalForm form);
Normalizer in_lower_case(Sigma sigma);

/// Applies the steps in order; null if there are none. Throws Error(format) if they make a text
/// more than 64 times as long, which no published tokenizer does.
Normalizer in_sequence(std::vector<Normalizer> steps);

}  // namespace patina

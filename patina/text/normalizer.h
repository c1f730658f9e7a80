// Normalizers: what becomes of a text before it is split. Each takes and gives valid UTF-8.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "patina/text/unicode/unicode.h"

namespace patina {

using Normalizer = std::function<std::string(std::string)>;

/// BERT's cleaning: control characters and U+FFFD go, all whitespace becomes a space.
std::string bert_cleaned(const std::string& text);
/// A space on either side of each Chinese character (BERT's list of blocks).
std::string with_spaced_ideographs(std::string text);
/// Leaves out the characters of a class.
std::string without(const std::string& text, bool (*is)(char32_t));
/// Leaves out the characters of a class at the ends asked for.
std::string stripped(const std::string& text, bool (*is)(char32_t), bool left, bool right);

Normalizer in_normal_form(NormalForm form);
Normalizer in_lower_case(Sigma sigma);

/// One after the other; null when there is none. Throws Error(format) when they make a text more
/// than 64 times as long, which no tokenizer in use does.
Normalizer in_sequence(std::vector<Normalizer> steps);

}  // namespace patina

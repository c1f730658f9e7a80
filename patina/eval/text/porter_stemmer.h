// The Porter stemmer (Porter, "An algorithm for suffix stripping", Program 14(3), 1980) with the
// extensions of NLTK's default mode, which ROUGE tools use.
#pragma once

#include <string>
#include <string_view>

namespace patina {

/// The stem of a word in lower case. Beside Porter's rules, as in NLTK's extended mode: words of
/// one or two letters stay; a short list of irregular forms ("dying" to "die"); -ies and -ied of
/// four-letter words become -ie; -y becomes -i only after a consonant that does not begin the word;
/// -bli, -fulli and -logi have rules of their own, and what -alli leaves is looked at again; two
/// letters, a vowel and a consonant, also count as short. Bytes outside a-z are consonants.
std::string porter_stem(std::string_view word);

}  // namespace patina

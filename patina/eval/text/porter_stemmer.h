// The Porter stemmer (Porter, "An algorithm for suffix stripping", Program 14(3), 1980) with the
// extensions of NLTK's default mode, which ROUGE tools use.
#pragma once

#include <string>
#include <string_view>

namespace patina {

/// The stem of a lower-case word. Differences from Porter's rules, as in NLTK's extended mode:
/// words of one or two letters stay unchanged; a short list has irregular forms ("dying" to "die");
/// -ies and -ied of four-letter words become -ie; -y becomes -i only after a consonant that is not
/// the first letter; -bli, -fulli and -logi have rules; after -alli is replaced, step 2 is applied
/// once more; words of one vowel and one consonant count as short. Bytes outside a-z are
/// consonants.
std::string porter_stem(std::string_view word);

}  // namespace patina

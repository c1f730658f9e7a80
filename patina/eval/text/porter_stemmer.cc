// Porter's five steps over tables of suffixes.
#include "patina/eval/text/porter_stemmer.h"

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

namespace patina {
namespace {

/// Which characters are vowels. A y is a vowel after a consonant.
std::vector<bool> vowels(std::string_view word) {
  std::vector<bool> vowel(word.size());
  for (size_t i = 0; i < word.size(); ++i)
    vowel[i] = word[i] == 'y' ? i > 0 && !vowel[i - 1]
                              : std::string_view("aeiou").find(word[i]) != std::string_view::npos;
  return vowel;
}

/// Porter's m: the number of vowels directly followed by a consonant.
int measure(std::string_view stem) {
  const auto vowel = vowels(stem);
  int times = 0;
  for (size_t i = 1; i < stem.size(); ++i) times += vowel[i - 1] && !vowel[i];
  return times;
}

/// Porter's *v*: the stem contains a vowel.
bool has_vowel(std::string_view stem) {
  const auto vowel = vowels(stem);
  return std::find(vowel.begin(), vowel.end(), true) != vowel.end();
}

/// Porter's *d: the word ends in a double consonant.
bool ends_in_double_consonant(std::string_view word) {
  return word.size() >= 2 && word.back() == word[word.size() - 2] && !vowels(word).back();
}

/// Porter's *o: the word ends in consonant, vowel, consonant, and the last one is not w, x or y.
/// NLTK adds words of one vowel and one consonant.
bool ends_short(std::string_view word) {
  const auto vowel = vowels(word);
  const size_t n = word.size();
  if (n == 2) return vowel[0] && !vowel[1];
  return n >= 3 && !vowel[n - 3] && vowel[n - 2] && !vowel[n - 1] &&
         std::string_view("wxy").find(word.back()) == std::string_view::npos;
}

std::string without(std::string_view word, std::string_view suffix) {
  return std::string(word.substr(0, word.size() - suffix.size()));
}

struct Rule {
  std::string_view suffix, replacement;
};

// Applies the first rule whose suffix fits. If its condition fails, the word stays unchanged.
template <class Condition>
std::string apply(std::span<const Rule> rules, const std::string& word, Condition condition) {
  for (const auto& [suffix, replacement] : rules) {
    if (!word.ends_with(suffix)) continue;
    std::string stem = without(word, suffix);
    return condition(stem, suffix) ? stem.append(replacement) : word;
  }
  return word;
}

bool is_positive(const std::string& stem, std::string_view) {
  return measure(stem) > 0;
}

// Plurals.
std::string step_1a(const std::string& word) {
  static constexpr Rule kRules[] = {{"sses", "ss"}, {"ies", "i"}, {"ss", "ss"}, {"s", ""}};
  if (word.size() == 4 && word.ends_with("ies")) return without(word, "s");
  return apply(kRules, word, [](const std::string&, std::string_view) { return true; });
}

// Repairs a stem after -ed or -ing was removed: restores its e, or removes a doubled letter.
std::string mended(std::string stem) {
  if (stem.ends_with("at") || stem.ends_with("bl") || stem.ends_with("iz")) return stem + "e";
  if (ends_in_double_consonant(stem)) {
    if (std::string_view("lsz").find(stem.back()) == std::string_view::npos) stem.pop_back();
    return stem;
  }
  return measure(stem) == 1 && ends_short(stem) ? stem + "e" : stem;
}

// Past tenses and participles.
std::string step_1b(const std::string& word) {
  if (word.ends_with("ied")) return without(word, word.size() == 4 ? "d" : "ed");
  if (word.ends_with("eed")) return measure(without(word, "eed")) > 0 ? without(word, "d") : word;
  for (const std::string_view suffix : {"ed", "ing"}) {
    if (!word.ends_with(suffix)) continue;
    const std::string stem = without(word, suffix);
    if (has_vowel(stem)) return mended(stem);
  }
  return word;
}

std::string step_1c(std::string word) {
  const bool turns = word.size() > 2 && word.back() == 'y' && !vowels(word)[word.size() - 2];
  if (turns) word.back() = 'i';
  return word;
}

std::string step_2(const std::string& word) {
  static constexpr Rule kRules[] = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"},   {"anci", "ance"},
      {"izer", "ize"},    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"},
      {"eli", "e"},       {"ousli", "ous"},   {"ization", "ize"}, {"ation", "ate"},
      {"ator", "ate"},    {"alism", "al"},    {"iveness", "ive"}, {"fulness", "ful"},
      {"ousness", "ous"}, {"aliti", "al"},    {"iviti", "ive"},   {"biliti", "ble"},
      {"fulli", "ful"},   {"logi", "log"},
  };
  if (word.ends_with("alli") && measure(without(word, "alli")) > 0)
    return step_2(without(word, "li"));
  return apply(kRules, word, [](const std::string& stem, std::string_view suffix) {
    // The l of -logi counts as part of the stem: otherwise m of "geology" would be 0.
    return measure(suffix == "logi" ? stem + "l" : stem) > 0;
  });
}

std::string step_3(const std::string& word) {
  static constexpr Rule kRules[] = {{"icate", "ic"}, {"ative", ""},  {"alize", "al"},
                                    {"iciti", "ic"}, {"ical", "ic"}, {"ful", ""},
                                    {"ness", ""}};
  return apply(kRules, word, is_positive);
}

std::string step_4(const std::string& word) {
  static constexpr Rule kRules[] = {
      {"al", ""},   {"ance", ""}, {"ence", ""}, {"er", ""},    {"ic", ""},
      {"able", ""}, {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""},
      {"ent", ""},  {"ion", ""},  {"ou", ""},   {"ism", ""},   {"ate", ""},
      {"iti", ""},  {"ous", ""},  {"ive", ""},  {"ize", ""},
  };
  return apply(kRules, word, [](const std::string& stem, std::string_view suffix) {
    const bool fits = suffix != "ion" || stem.ends_with('s') || stem.ends_with('t');
    return fits && measure(stem) > 1;
  });
}

std::string step_5(std::string word) {
  if (word.ends_with('e')) {
    const std::string stem = without(word, "e");
    const int syllables = measure(stem);
    if (syllables > 1 || (syllables == 1 && !ends_short(stem))) word = stem;
  }
  if (word.ends_with("ll") && measure(without(word, "l")) > 1) word.pop_back();
  return word;
}

// NLTK's irregular forms.
constexpr std::pair<std::string_view, std::string_view> kIrregular[] = {
    {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},        {"lying", "lie"},
    {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
    {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
    {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"},
};

}  // namespace

std::string porter_stem(std::string_view word) {
  for (const auto& [form, stem] : kIrregular)
    if (word == form) return std::string(stem);
  if (word.size() <= 2) return std::string(word);
  return step_5(step_4(step_3(step_2(step_1c(step_1b(step_1a(std::string(word))))))));
}

}  // namespace patina

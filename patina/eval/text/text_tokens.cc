// Tokenisations implemented from their rules: mteval-v13a, rouge_score, TRACE.
#include "patina/eval/text/text_tokens.h"

#include <algorithm>

#include "patina/eval/text/porter_stemmer.h"
#include "patina/eval/text/python_repr.h"

namespace patina {
namespace {

// rouge_score does not stem shorter words.
constexpr size_t kShortestStemmed = 4;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_no_digit(char c) {
  return !is_digit(c);
}
bool is_stop(char c) {
  return c == '.' || c == ',';
}
bool is_dash(char c) {
  return c == '-';
}

// ASCII punctuation and space, except ' , - and the full stop.
bool is_symbol(char c) {
  return (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
         (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  while (true) {
    const size_t at = text.find(from);
    result += text.substr(0, at);
    if (at == std::string_view::npos) return result;
    result += to;
    text.remove_prefix(at + from.size());
  }
}

// Separates the two characters of each pair by a space, and puts `before` and `after` around it.
// The search continues after a pair, so pairs do not overlap. Working on bytes is correct here: one
// character of a pair is ASCII, and a byte of any other character is neither a digit nor a symbol.
std::string spaced_pairs(const std::string& line, bool (*first)(char), bool (*second)(char),
                         std::string_view before, std::string_view after) {
  std::string result;
  for (size_t i = 0; i < line.size(); ++i) {
    if (i + 1 == line.size() || !first(line[i]) || !second(line[i + 1])) {
      result += line[i];
      continue;
    }
    (result += before) += line[i];
    ((result += ' ') += line[++i]) += after;
  }
  return result;
}

std::string spaced_symbols(const std::string& line) {
  std::string result;
  for (const char c : line) {
    if (is_symbol(c))
      ((result += ' ') += c) += ' ';
    else
      result += c;
  }
  return result;
}

}  // namespace

Tokens tokens_13a(std::string_view text) {
  static constexpr std::pair<std::string_view, std::string_view> kReplacements[] = {
      {"<skipped>", ""}, {"-\n", ""},   {"\n", " "},   {"&quot;", "\""},
      {"&amp;", "&"},    {"&lt;", "<"}, {"&gt;", ">"},
  };
  std::string line(text);
  for (const auto& [from, to] : kReplacements) line = replaced(line, from, to);
  line = spaced_symbols(' ' + line + ' ');
  line = spaced_pairs(line, is_no_digit, is_stop, "", " ");
  line = spaced_pairs(line, is_stop, is_no_digit, " ", "");
  line = spaced_pairs(line, is_digit, is_dash, "", " ");
  return python::split(line);
}

Tokens rouge_tokens(std::string_view text, bool stem) {
  Tokens tokens = python::split(lower_case(std::string(text), Sigma::by_word), [](char32_t c) {
    return !((c >= U'a' && c <= U'z') || (c >= U'0' && c <= U'9'));
  });
  if (stem)
    for (auto& token : tokens)
      if (token.size() >= kShortestStemmed) token = porter_stem(token);
  return tokens;
}

Tokens trace_bleu_tokens(std::string_view text) {
  return python::split(text, [](char32_t c) { return c == U'.' || is_python_space(c); });
}

NgramCounts ngram_counts(std::span<const std::string> tokens, size_t n) {
  NgramCounts counts;
  for (size_t begin = 0; begin + n <= tokens.size(); ++begin) {
    std::string ngram = tokens[begin];
    for (size_t k = 1; k < n; ++k) (ngram += ' ') += tokens[begin + k];
    ++counts[std::move(ngram)];
  }
  return counts;
}

int64_t count(const NgramCounts& counts, const std::string& ngram) {
  const auto found = counts.find(ngram);
  return found == counts.end() ? 0 : found->second;
}

int64_t total(const NgramCounts& counts) {
  int64_t sum = 0;
  for (const auto& [ngram, times] : counts) sum += times;
  return sum;
}

int64_t overlap(const NgramCounts& a, const NgramCounts& b) {
  int64_t sum = 0;
  for (const auto& [ngram, times] : a) sum += std::min(times, count(b, ngram));
  return sum;
}

}  // namespace patina

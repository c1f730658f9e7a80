// The hand-written splitting patterns, compared with the regular expressions that they implement,
// which a slow backtracking matcher evaluates, on all short texts of characters that matter.
#include "patina/text/unicode/patterns.h"

#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <vector>

#include "patina/text/unicode/unicode.h"

namespace patina {
namespace {

using Class = std::function<bool(char32_t)>;

// One part of an alternative: `fewest` to `most` characters of a class, as many as possible.
struct Part {
  Class is;
  size_t fewest = 1, most = 1;
};
struct Alternative {
  std::vector<Part> parts;
  bool not_before_text = false;  // ends with (?!\S)
};

constexpr size_t kAny = 1000;

bool is_symbol(char32_t c) {
  return !is_space(c) && !is_letter(c) && !is_number(c);
}
bool is_newline(char32_t c) {
  return c == '\r' || c == '\n';
}
Class only(char32_t wanted) {
  return [=](char32_t c) { return c == wanted; };
}

// The end of a match of the parts from `part` on, or nothing: greedy, with backtracking.
std::optional<size_t> match(const Alternative& of, size_t part, const std::u32string& text,
                            size_t at) {
  if (part == of.parts.size()) {
    const bool before_text = at < text.size() && !is_space(text[at]);
    return of.not_before_text && before_text ? std::nullopt : std::optional(at);
  }
  const Part& now = of.parts[part];
  size_t count = 0;
  while (count < now.most && at + count < text.size() && now.is(text[at + count])) ++count;
  for (; count + 1 > now.fewest; --count) {
    if (const auto end = match(of, part + 1, text, at + count)) return end;
    if (count == 0) break;
  }
  return std::nullopt;
}

std::vector<Alternative> contractions(bool any_case) {
  std::vector<Alternative> all;
  for (const std::string_view word : {"s", "t", "re", "ve", "m", "ll", "d"}) {
    Alternative one{{{only('\'')}}};
    for (const char letter : word)
      one.parts.push_back({[=](char32_t c) {
        return c == char32_t(letter) || (any_case && c == char32_t(letter - 32)) ||
               (any_case && letter == 's' && c == 0x17f);
      }});
    all.push_back(one);
  }
  return all;
}

std::vector<Alternative> gpt2() {
  auto all = contractions(false);
  for (const auto is : {is_letter, is_number, is_symbol})
    all.push_back({{{only(' '), 0, 1}, {is, 1, kAny}}});
  all.push_back({{{is_space, 1, kAny}}, true});
  all.push_back({{{is_space, 1, kAny}}});
  return all;
}

std::vector<Alternative> modern(size_t digits) {
  auto all = contractions(true);
  const auto lead = [](char32_t c) { return !is_newline(c) && !is_letter(c) && !is_number(c); };
  all.push_back({{{lead, 0, 1}, {is_letter, 1, kAny}}});
  all.push_back({{{is_number, 1, digits}}});
  all.push_back({{{only(' '), 0, 1}, {is_symbol, 1, kAny}, {is_newline, 0, kAny}}});
  all.push_back({{{is_space, 0, kAny}, {is_newline, 1, kAny}}});
  all.push_back({{{is_space, 1, kAny}}, true});
  all.push_back({{{is_space, 1, kAny}}});
  return all;
}

std::vector<Alternative> clip() {
  auto all = contractions(true);
  all.push_back({{{is_letter, 1, kAny}}});
  all.push_back({{{is_number}}});
  all.push_back({{{is_symbol, 1, kAny}}});
  return all;
}

std::vector<Alternative> words() {
  const auto rest = [](char32_t c) { return !is_word(c) && !is_space(c); };
  return {{{{is_word, 1, kAny}}}, {{{rest, 1, kAny}}}};
}

// findall: the first alternative that matches counts; where none does, one character is skipped.
std::vector<std::string> plain_pieces(const std::vector<Alternative>& pattern,
                                      const std::u32string& text) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    std::optional<size_t> end;
    for (const auto& alternative : pattern)
      if ((end = match(alternative, 0, text, at))) break;
    if (end) pieces.push_back(to_utf8(text.substr(at, *end - at)));
    at = end.value_or(at + 1);
  }
  return pieces;
}

std::vector<std::string> pieces_of(Pattern pattern, const std::string& text) {
  std::vector<std::string> pieces;
  for (size_t at = 0; at < text.size();) {
    const Span piece = pattern(text, at);
    if (piece.end > piece.begin)
      pieces.push_back(text.substr(piece.begin, piece.end - piece.begin));
    at = piece.end;
  }
  return pieces;
}

// All texts of up to five characters that the patterns tell apart.
void expect_same(const std::vector<Alternative>& plain, Pattern pattern) {
  const std::u32string letters = U"sLv'1 \n\u00a0.\u00e9\u0660\u017f";
  for (size_t length = 1; length <= 5; ++length) {
    size_t combinations = 1;
    for (size_t i = 0; i < length; ++i) combinations *= letters.size();
    for (size_t n = 0; n < combinations; ++n) {
      std::u32string text;
      for (size_t i = 0, rest = n; i < length; ++i, rest /= letters.size())
        text += letters[rest % letters.size()];
      const std::string bytes = to_utf8(text);
      ASSERT_EQ(pieces_of(pattern, bytes), plain_pieces(plain, text)) << bytes;
    }
  }
}

TEST(Patterns, Gpt2IsItsExpression) {
  expect_same(gpt2(), gpt2_pattern);
}
TEST(Patterns, Qwen2IsItsExpression) {
  expect_same(modern(1), qwen2_pattern);
}
TEST(Patterns, Llama3IsItsExpression) {
  expect_same(modern(3), llama3_pattern);
}
TEST(Patterns, ClipIsItsExpression) {
  expect_same(clip(), clip_pattern);
}
TEST(Patterns, WordsAreTheirExpression) {
  expect_same(words(), word_pattern);
}

using Pieces = std::vector<std::string>;

TEST(Patterns, SplitWhatTheyAreKnownFor) {
  EXPECT_EQ(pieces_of(gpt2_pattern, "it's  12 'S"), (Pieces{"it", "'s", " ", " 12", " '", "S"}));
  EXPECT_EQ(pieces_of(qwen2_pattern, "It'LL 123\r\n\r\n x"),
            (Pieces{"It", "'LL", " ", "1", "2", "3", "\r\n\r\n", " x"}));
  EXPECT_EQ(pieces_of(llama3_pattern, "12345 \n\n  a!\n"),
            (Pieces{"123", "45", " \n\n", " ", " a", "!\n"}));
  EXPECT_EQ(pieces_of(bert_pattern, "don't  stop\u3000now\u2014"),
            (Pieces{"don", "'", "t", "stop", "now", "\u2014"}));
  EXPECT_EQ(pieces_of(openai_clip_pattern, "<|endoftext|>!!<|endoftext|>"),
            (Pieces{"<|endoftext|>", "!!<|", "endoftext", "|>"}));
  EXPECT_EQ(pieces_of(digits_pattern, "a12 3"), (Pieces{"a", "12", " ", "3"}));
  EXPECT_EQ(pieces_of(digit_pattern, "a12"), (Pieces{"a", "1", "2"}));
  EXPECT_EQ(pieces_of(nonspace_pattern, " a,b\tc"), (Pieces{"a,b", "c"}));
}

TEST(Patterns, AreFoundByTheirPublishedSpellingOnly) {
  EXPECT_EQ(published_pattern(R"(\w+|[^\w\s]+)"), word_pattern);
  EXPECT_EQ(published_pattern(R"(\w+)"), nullptr);
}

}  // namespace
}  // namespace patina

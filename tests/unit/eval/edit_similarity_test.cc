// Edit distances and ratios against python-Levenshtein's and difflib's values, and against the
// plain dynamic programs.
#include "patina/eval/text/edit_similarity.h"

#include <chrono>
#include <random>

#include "patina/base/json.h"
#include "patina/eval/text/sequence_match.h"
#include "tests/support/shared.h"
#include "tests/unit/eval/metric_fixtures.h"

namespace patina {
namespace {

TEST(EditSimilarity, EqualsPythonLevenshteinAndDifflib) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/edit_similarity.json";
  const Json file = read_cases(path);
  ASSERT_GE(file["cases"].size(), 15u);
  for (const auto& each : file["cases"]) {
    const std::string a = each["a"], b = each["b"];
    EXPECT_EQ(levenshtein_distance(a, b), each["levenshtein_distance"]) << a;
    expect_close(indel_ratio(a, b), each["indel_ratio"], a);
    EXPECT_EQ(fuzz_ratio(a, b), each["fuzz_ratio"]) << a;
    EXPECT_EQ(fuzz_ratio_difflib(a, b), each["fuzz_ratio_difflib"]) << a;
    expect_close(normalised_edit_similarity(a, b), each["normalised_edit_similarity"], a);
  }
}

using Table = std::vector<std::vector<size_t>>;

/// A dynamic program over all prefixes of both texts: cell(i, j) is computed from the cells above
/// and to the left.
template <class Cell>
Table fill(const std::u32string& a, const std::u32string& b, Cell cell) {
  Table table(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) table[i][j] = cell(table, i, j);
  return table;
}

size_t plain_distance(const std::u32string& a, const std::u32string& b) {
  const auto cell = [&](const Table& t, size_t i, size_t j) -> size_t {
    if (i == 0 || j == 0) return i + j;
    return std::min({t[i - 1][j] + 1, t[i][j - 1] + 1, t[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
  };
  return fill(a, b, cell).back().back();
}

std::vector<size_t> plain_common_positions(const std::u32string& a, const std::u32string& b) {
  const Table t = fill(a, b, [&](const Table& table, size_t i, size_t j) -> size_t {
    if (i == 0 || j == 0) return 0;
    if (a[i - 1] == b[j - 1]) return table[i - 1][j - 1] + 1;
    return std::max(table[i - 1][j], table[i][j - 1]);
  });
  std::vector<size_t> positions;
  for (size_t i = a.size(), j = b.size(); i > 0 && j > 0;) {
    if (a[i - 1] == b[j - 1]) {
      positions.insert(positions.begin(), --i);
      --j;
    } else if (t[i][j - 1] > t[i - 1][j]) {
      --j;
    } else {
      --i;
    }
  }
  return positions;
}

TEST(Alignment, EqualsThePlainDynamicPrograms) {
  std::mt19937 random(7);
  const auto text = [&](size_t size, unsigned symbols) {
    std::u32string made;
    while (made.size() < size) made += char32_t(U'a' + random() % symbols);
    return made;
  };
  for (int round = 0; round < 600; ++round) {
    const unsigned symbols = 1 + round % 2 * 3 + round % 7 * 12;
    // Lengths around multiples of 64 occur often, because the distance is computed in words of 64
    // bits.
    const auto size = [&] { return random() % 3 == 0 ? 63 + random() % 3 : random() % 200; };
    const std::u32string a = text(size(), symbols), b = text(size(), symbols);
    ASSERT_EQ(edit_distance(a, b), plain_distance(a, b)) << round;
    const auto expected = plain_common_positions(a, b);
    CommonSubsequence common(a);
    ASSERT_EQ(common.positions(b), expected) << round;
    ASSERT_EQ(common.length(b), expected.size()) << round;
  }
}

TEST(EditSimilarity, RoundsHalfToEven) {
  EXPECT_EQ(fuzz_ratio("aaaax", "aaa"), 75);
  // 2 * 1 / 16 = 12.5 % and 2 * 3 / 16 = 37.5 %
  EXPECT_EQ(fuzz_ratio("a2345678", "abcdefgh"), 12);
  EXPECT_EQ(fuzz_ratio("abc45678", "abcdefgh"), 38);
  EXPECT_EQ(fuzz_ratio_difflib("a2345678", "abcdefgh"), 12);
}

TEST(EditSimilarity, DifflibLeavesPopularCharactersOut) {
  // In a text of 200 characters x is too frequent to start a matching block; next to a rare
  // character it counts.
  const std::string many(199, 'x');
  EXPECT_EQ(fuzz_ratio_difflib("y" + many, many + "z"), 0);
  EXPECT_EQ(fuzz_ratio_difflib("y" + many.substr(1), many.substr(1) + "z"), 99);
  EXPECT_EQ(fuzz_ratio_difflib("qq" + many + "y", many + "yz"), 99);
  EXPECT_EQ(fuzz_ratio("y" + many, many + "z"), 100);
}

TEST(EditSimilarity, EmptyAndEqualTexts) {
  EXPECT_EQ(levenshtein_distance("", ""), 0u);
  EXPECT_EQ(levenshtein_distance("", "日本"), 2u);
  for (const std::string text : {"", "a", "日本語", "\xFF\xFE"}) {
    EXPECT_EQ(levenshtein_distance(text, text), 0u);
    EXPECT_EQ(normalised_edit_similarity(text, text), 1);
    EXPECT_EQ(indel_ratio(text, text), 1);
    EXPECT_EQ(fuzz_ratio(text, text), 100);
    EXPECT_EQ(fuzz_ratio_difflib(text, text), 100);
  }
  EXPECT_EQ(fuzz_ratio("", "a"), 0);
  EXPECT_EQ(fuzz_ratio_difflib("a", ""), 0);
}

TEST(EditSimilarity, CharactersAreCodePoints) {
  EXPECT_EQ(levenshtein_distance("é", "e\u0301"), 2u);
  EXPECT_EQ(levenshtein_distance("😀", "😁"), 1u);
  EXPECT_EQ(levenshtein_distance("a\r\nb", "a\nb"), 1u);
  EXPECT_EQ(levenshtein_distance("\xE6\x97", "x"), 1u);  // two bytes of an incomplete character
}

TEST(EditSimilarity, IsSymmetricButForDifflib) {
  const std::string a = "the quick brown fox", b = "a quack crown box";
  EXPECT_EQ(levenshtein_distance(a, b), levenshtein_distance(b, a));
  EXPECT_EQ(indel_ratio(a, b), indel_ratio(b, a));
  EXPECT_EQ(normalised_edit_similarity(a, b), normalised_edit_similarity(b, a));
}

double seconds(const auto& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

TEST(EditSimilarity, LongTextsAreQuick) {
  std::mt19937 random(3);
  std::string a, b;
  for (int i = 0; i < 100000; ++i) {
    a += static_cast<char>('a' + random() % 26);
    b += static_cast<char>('a' + random() % 26);
  }
  double ratio = 0;
  size_t distance = 0;
  const double distance_s = seconds([&] { distance = levenshtein_distance(a, b); });
  const double ratio_s = seconds([&] { ratio = indel_ratio(a, b); });
  RecordProperty("distance_ms", static_cast<int>(1000 * distance_s));
  RecordProperty("ratio_ms", static_cast<int>(1000 * ratio_s));
  EXPECT_GT(distance, 50000u);
  EXPECT_LT(distance, 100000u);
  EXPECT_GT(ratio, .3);
  // A plain dynamic program takes over a minute; the bound leaves room for a busy machine.
  EXPECT_LT(distance_s, 10);
  EXPECT_LT(ratio_s, 10);
}

TEST(EditSimilarity, AMegabyteAgainstItsChangeIsQuick) {
  const std::string text = repeated("for i in range(10): print(i)\n", 1 << 20);
  EXPECT_EQ(levenshtein_distance(text, text + "x"), 1u);
  EXPECT_EQ(levenshtein_distance(text, "x"), text.size());
  EXPECT_EQ(fuzz_ratio(text, "x"), 0);
  EXPECT_EQ(fuzz_ratio_difflib(text, "x"), 0);
}

}  // namespace
}  // namespace patina

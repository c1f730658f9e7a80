// Exact match and F1 against the SQuAD script's values and worked cases; Python's str semantics.
#include "patina/eval/text/text_match.h"

#include "patina/base/json.h"
#include "patina/eval/text/python_repr.h"
#include "tests/support/shared.h"
#include "tests/unit/eval/metric_fixtures.h"

namespace patina {
namespace {

TEST(TextMatch, EqualsTheSquadScript) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/exact_match_f1.json";
  const Json file = read_cases(path);
  ASSERT_GE(file["cases"].size(), 16u);
  for (const auto& each : file["cases"]) {
    const std::string prediction = each["prediction"];
    const Texts references = each["references"];
    EXPECT_EQ(Json(normalised_answer(prediction)), each["normalised_prediction"]) << prediction;
    expect_close(exact_match(prediction, references), each["exact_match"], prediction);
    expect_close(exact_match_keeping_articles(prediction, references),
                 each["exact_match_keeping_articles"], prediction);
    expect_close(exact_match_raw(prediction, references), each["exact_match_raw"], prediction);
    expect_close(token_f1(prediction, references), each["f1"], prediction);
  }
}

TEST(TextMatch, NormalFormRemovesPunctuationArticlesAndSpace) {
  EXPECT_EQ(normalised_answer(" The  U.S.A.,\tan Apple\r\n"), "usa apple");
  EXPECT_EQ(normalised_answer(" The  U.S.A.,\tan Apple\r\n", Articles::kept), "the usa an apple");
  EXPECT_EQ(normalised_answer("theory a_b another"), "theory ab another");
  EXPECT_EQ(normalised_answer("«a» b—the—c"), "« » b— —c");  // only ASCII punctuation is removed
  EXPECT_EQ(normalised_answer("a\u0301 b"), "\u0301 b");  // a combining mark is not part of a word
  EXPECT_EQ(normalised_answer("\u00A0x\u2003y\u3000"), "x y");  // white space of other scripts
  EXPECT_EQ(normalised_answer("a\u200Bb"), "\u200Bb");          // but not a zero width space
}

TEST(TextMatch, RepeatedWordsCountAsOftenAsBothHaveThem) {
  // 2 of 3 and 2 of 4 shared: F1 = 4/7.
  expect_close(token_f1("x x y", Texts{"x x z z"}), 4.0 / 7, "x x y");
  expect_close(token_f1("one", Texts{"two", "one more", "one"}), 1, "best over references");
}

TEST(TextMatch, WithoutReferencesIsUndefined) {
  for (auto* metric : {exact_match, exact_match_keeping_articles, exact_match_raw, token_f1})
    EXPECT_EQ(metric("x", Texts{}), std::nullopt);
}

TEST(TextMatch, TwoEmptyAnswersMatchWithoutSharingAWord) {
  EXPECT_EQ(exact_match("", Texts{"the"}), Score(1.0));
  EXPECT_EQ(exact_match_raw("", Texts{"the"}), Score(0.0));
  EXPECT_EQ(token_f1("", Texts{""}), Score(0.0));
}

TEST(TextMatch, AnyBytesAreText) {
  const std::string damaged = "caf\xE9 \xF0\x9F\x98 \xC0\x80";
  EXPECT_EQ(exact_match(damaged, Texts{damaged}), Score(1.0));
  EXPECT_EQ(token_f1(damaged, Texts{damaged}), Score(1.0));
  EXPECT_EQ(exact_match(damaged, Texts{"cafe"}), Score(0.0));
}

TEST(PythonStr, LowersAsPythonDoes) {
  const auto lower = [](std::string text) { return lower_case(std::move(text), Sigma::by_word); };
  EXPECT_EQ(lower("ÀÉÎ ŽƵ ДЯ"), "àéî žƶ дя");
  EXPECT_EQ(lower("İ"), "i\u0307");
  EXPECT_EQ(lower("\u212A"), "k");  // the Kelvin sign
  EXPECT_EQ(lower("ẞ"), "ß");
  EXPECT_EQ(lower("ΟΔΟΣ ΣΑΣ Σ"), "οδος σας σ");
  EXPECT_EQ(lower("ΑΣ' ΑΣ'Α ΑΣ."), "ας' ασ'α ας.");
  EXPECT_EQ(lower("ªΣ ΑΣº"), "ªς ασº");
  EXPECT_EQ(lower("A\xFFZ"), "a\uFFFDz");
}

TEST(PythonStr, SplitsAtPythonsWhiteSpace) {
  const Texts expected = {"a", "b", "c", "d", "e", "f"};
  EXPECT_EQ(python::split("\x1C"
                          "a\x1F"
                          "b\u0085c\u1680d\u2028e\u202F\u205Ff\r\n"),
            expected);
  EXPECT_EQ(python::split("a\u200Bb\u180Ec").size(), 1u);
  EXPECT_EQ(python::split(" \t "), Texts{});
  EXPECT_EQ(python::strip_right(" a \u00A0\n"), " a");
}

TEST(PythonStr, WordsAreLettersNumbersAndUnderscores) {
  for (const char32_t c : U"aZ_9é日ª²½Ⅷ٣ʰ")
    EXPECT_TRUE(c == 0 || python::is_word(c)) << unsigned(c);
  for (const char32_t c : U"-'. \u0301€—ⓐ😀") EXPECT_FALSE(python::is_word(c)) << unsigned(c);
}

}  // namespace
}  // namespace patina

// ROUGE against Google's and the rouge package's values; the stemmer against NLTK's stems.
#include "patina/eval/text/rouge.h"

#include "patina/base/json.h"
#include "patina/eval/text/porter_stemmer.h"
#include "patina/eval/text/text_tokens.h"
#include "tests/support/shared.h"
#include "tests/unit/eval/metric_fixtures.h"

namespace patina {
namespace {

void expect_rouge(const RougeScore& actual, const Json& expected, const std::string& what) {
  expect_close(actual.precision, expected["precision"], what + " precision");
  expect_close(actual.recall, expected["recall"], what + " recall");
  expect_close(actual.f, expected["f"], what + " F");
}

void expect_rouge(const RougeScore& actual, double precision, double recall, double f) {
  EXPECT_DOUBLE_EQ(actual.precision, precision);
  EXPECT_DOUBLE_EQ(actual.recall, recall);
  EXPECT_DOUBLE_EQ(actual.f, f);
}

TEST(Rouge, EqualsGoogleRougeScore) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/rouge.json";
  const Json file = read_cases(path);
  ASSERT_GE(file["cases"].size(), 19u);
  int trace = 0;
  for (const auto& each : file["cases"]) {
    const std::string prediction = each["prediction"], reference = each["reference"];
    for (const auto stemming : {Stemming::none, Stemming::porter}) {
      const Json& expected = each[stemming == Stemming::none ? "plain" : "stemmed"];
      expect_rouge(rouge_n(prediction, reference, 1, stemming), expected["rouge1"], prediction);
      expect_rouge(rouge_n(prediction, reference, 2, stemming), expected["rouge2"], prediction);
      expect_rouge(rouge_l(prediction, reference, stemming), expected["rougeL"], prediction);
      expect_rouge(rouge_l_sum(prediction, reference, stemming), expected["rougeLsum"], prediction);
    }
    const Score of_trace = trace_rouge_l_f(prediction, reference);
    EXPECT_EQ(of_trace.has_value(), each.contains("trace_rouge_l_f")) << prediction;
    if (!each.contains("trace_rouge_l_f")) continue;
    expect_close(of_trace, each["trace_rouge_l_f"], prediction);
    ++trace;
  }
  EXPECT_GE(trace, 15);
}

TEST(Rouge, EqualsGoogleRougeScoreOverLines) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/rouge.json";
  const Json file = read_cases(path);
  ASSERT_FALSE(file["multi_line"].empty());
  for (const auto& each : file["multi_line"]) {
    const std::string prediction = each["prediction"], reference = each["reference"];
    expect_rouge(rouge_l(prediction, reference, Stemming::porter), each["rougeL"], prediction);
    expect_rouge(rouge_l_sum(prediction, reference, Stemming::porter), each["rougeLsum"],
                 prediction);
  }
}

TEST(PorterStemmer, EqualsNltk) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/rouge.json";
  const Json stems = read_cases(path)["stems"];
  ASSERT_GE(stems.size(), 19u);
  for (const auto& [word, stem] : stems.items())
    EXPECT_EQ(porter_stem(word), stem.get<std::string>()) << word;
}

TEST(PorterStemmer, FollowsEachRule) {
  const std::pair<const char*, const char*> kStems[] = {
      // steps 1a to 1c
      {"ponies", "poni"},
      {"ties", "tie"},
      {"cats", "cat"},
      {"caress", "caress"},
      {"feed", "feed"},
      {"tied", "tie"},
      {"cried", "cri"},
      {"plastered", "plaster"},
      {"bled", "bled"},
      {"sing", "sing"},
      {"conflated", "conflat"},
      {"hopping", "hop"},
      {"falling", "fall"},
      {"hissing", "hiss"},
      {"filing", "file"},
      {"failing", "fail"},
      {"happy", "happi"},
      {"say", "say"},
      {"enjoy", "enjoy"},
      {"by", "by"},
      {"spy", "spi"},
      // steps 2 to 5
      {"relational", "relat"},
      {"conditional", "condit"},
      {"rational", "ration"},
      {"radically", "radic"},
      {"geology", "geolog"},
      {"hopefully", "hope"},
      {"vietnamization", "vietnam"},
      {"triplicate", "triplic"},
      {"goodness", "good"},
      {"adoption", "adopt"},
      {"replacement", "replac"},
      {"homologou", "homolog"},
      {"probate", "probat"},
      {"rate", "rate"},
      {"cease", "ceas"},
      {"controll", "control"},
      {"roll", "roll"},
      // irregular forms
      {"dying", "die"},
      {"skies", "sky"},
      {"news", "news"},
      {"innings", "inning"},
      {"is", "is"},
  };
  for (const auto& [word, stem] : kStems) EXPECT_EQ(porter_stem(word), stem) << word;
}

TEST(PorterStemmer, TakesAnyWord) {
  for (const std::string word :
       {"", "s", "y", "yy", "yyy", "aaa", "ing", "eed", "sses", "ies", "123s"})
    EXPECT_LE(porter_stem(word).size(), word.size() + 1) << word;
  EXPECT_EQ(porter_stem(std::string(1 << 20, 'a') + "ing"), std::string(1 << 20, 'a'));
  EXPECT_EQ(porter_stem(std::string(1 << 20, 'y') + "ed").size(), size_t{1} << 20);
}

TEST(Rouge, WorkedCases) {
  // Bigrams a-b and b-a. The prediction has b-a twice, of which one is expected.
  expect_rouge(rouge_n("a b a b a", "a b a", 2), 2.0 / 4, 1, 2.0 / 3);
  expect_rouge(rouge_n("a", "a", 2), 0, 0, 0);
  expect_rouge(rouge_n("a b c d", "a b c d", 4), 1, 1, 1);
  expect_rouge(rouge_l("x a y b", "a b c"), 2.0 / 4, 2.0 / 3, 4.0 / 7);
  // Google's example of the union: w1 w2 and w1 w3 w5 make w1 w2 w3 w5
  expect_rouge(rouge_l_sum("1 2 6 7 8\n1 3 8 9 5", "1 2 3 4 5"), 4.0 / 10, 4.0 / 5, 8.0 / 15);
  expect_rouge(rouge_l_sum("a\r\n\r\nb\r\n", "b\na"), 1, 1, 1);
  expect_rouge(rouge_n("\u212Ain ÉTÉ", "KIN t", 1), 1, 1, 1);  // the Kelvin sign's lower case is k
}

TEST(Rouge, NothingToCompareIsZero) {
  for (const auto& [a, b] :
       {std::pair("", ""), {"", "a"}, {"a", ""}, {"...", "a"}, {"日本", "日本"}}) {
    expect_rouge(rouge_n(a, b, 1), 0, 0, 0);
    expect_rouge(rouge_l(a, b), 0, 0, 0);
    expect_rouge(rouge_l_sum(a, b), 0, 0, 0);
  }
}

TEST(Rouge, PrecisionAndRecallTurnRound) {
  const std::string a = "the quick\nbrown fox jumps", b = "a brown\nfox the quick";
  EXPECT_EQ(rouge_n(a, b, 1).precision, rouge_n(b, a, 1).recall);
  EXPECT_EQ(rouge_l(a, b).precision, rouge_l(b, a).recall);
  EXPECT_EQ(rouge_l(a, b).f, rouge_l(b, a).f);
}

TEST(TraceRouge, CountsDifferentWordsOverSentences) {
  const double f = 2 * (1.0 * .5 / (1.5 + 1e-8));  // a, b of a, b, c, d
  EXPECT_DOUBLE_EQ(trace_rouge_l_f("a b a. b", "a c b. d").value(), f);
  // Between " " and the end a sentence of white space holds one empty word.
  EXPECT_DOUBLE_EQ(trace_rouge_l_f("a. ", "a. ").value(), 2 * (1 / (2 + 1e-8)));
  EXPECT_DOUBLE_EQ(trace_rouge_l_f("a. ", "a").value(), 2 * (.5 / (1.5 + 1e-8)));
  EXPECT_EQ(trace_rouge_l_f("", "a"), std::nullopt);
  EXPECT_EQ(trace_rouge_l_f("a", "..."), std::nullopt);
}

TEST(Rouge, LongTextsAreQuick) {
  std::string a, b;
  for (int i = 0; i < 20000; ++i) {
    a += fmt::format("w{}{}", i * 7919 % 1000, i % 12 == 0 ? '\n' : ' ');
    b += fmt::format("w{}{}", i * 104729 % 1000, i % 12 == 5 ? '\n' : ' ');
  }
  for (const auto& score : {rouge_n(a, b, 1), rouge_l(a, b), rouge_l_sum(a.substr(0, 20000), b)}) {
    EXPECT_GT(score.f, 0);
    EXPECT_LE(score.f, 1);
  }
  EXPECT_EQ(rouge_l(a, a).f, 1);
  EXPECT_EQ(rouge_l_sum(a, a.substr(0, 20000)).recall, 1);
  EXPECT_EQ(rouge_l(repeated("the ", 1 << 20), "the").recall, 1);
}

}  // namespace
}  // namespace patina

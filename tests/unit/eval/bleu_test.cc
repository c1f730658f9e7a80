// BLEU against sacrebleu's and nltk's values, and worked cases.
#include "patina/eval/text/bleu.h"

#include "patina/base/json.h"
#include "patina/eval/text/text_tokens.h"
#include "tests/support/shared.h"
#include "tests/unit/eval/metric_fixtures.h"

namespace patina {
namespace {

std::vector<TextSample> samples_of(const Json& each) {
  std::vector<TextSample> samples;
  for (size_t i = 0; i < each["hypotheses"].size(); ++i)
    samples.push_back({each["hypotheses"][i], each["references"][i], ""});
  return samples;
}

TEST(Bleu, EqualsSacrebleu) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/bleu.json";
  const Json file = read_cases(path);
  ASSERT_GE(file["cases"].size(), 19u);
  for (const auto& each : file["cases"]) {
    const auto samples = samples_of(each);
    const std::string what = samples.front().prediction;
    const auto bleu = corpus_bleu(samples);
    ASSERT_TRUE(bleu) << what;
    expect_close(bleu->score, each["score"], what);
    expect_close(bleu->brevity_penalty, each["brevity_penalty"], what);
    EXPECT_EQ(bleu->prediction_tokens, each["sys_len"]) << what;
    EXPECT_EQ(bleu->reference_tokens, each["ref_len"]) << what;
    for (size_t n = 0; n < kBleuOrder; ++n) {
      EXPECT_EQ(bleu->counts[n], each["counts"][n]) << what;
      EXPECT_EQ(bleu->totals[n], each["totals"][n]) << what;
      expect_close(bleu->precisions[n], each["precisions"][n], what);
    }
    expect_close(corpus_bleu(samples, Case::lowered)->score, each["lowercase_score"], what);
    for (size_t i = 0; i < samples.size(); ++i)
      expect_close(sentence_bleu(samples[i].prediction, samples[i].references)->score,
                   each["sentence_scores"][i], samples[i].prediction);
  }
}

TEST(TraceBleu, EqualsNltkWithoutSmoothing) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/bleu.json";
  const Json file = read_cases(path);
  ASSERT_GE(file["trace"].size(), 13u);
  for (const auto& each : file["trace"]) {
    const std::string prediction = each["prediction"], reference = each["reference"];
    expect_close(trace_bleu(prediction, reference, 1), each["bleu_1"], prediction);
    expect_close(trace_bleu(prediction, reference, 4), each["bleu_4"], prediction);
  }
}

TEST(Tokens13a, SplitsAsMteval) {
  const std::pair<const char*, Tokens> kCases[] = {
      {"", {}},
      {"Hello, world!", {"Hello", ",", "world", "!"}},
      {"1,000.5 .5 5. a.b 3,x", {"1,000.5", ".", "5", "5", ".", "a", ".", "b", "3", ",", "x"}},
      {"well-known 3-4 -5", {"well-known", "3", "-", "4", "-5"}},
      {"a-\nb\r\nc", {"ab", "c"}},
      {"&lt;p&gt; &amp;quot; &quot;", {"<", "p", ">", "&", "quot", ";", "\""}},
      {"don't [x] {y} <skipped>z", {"don't", "[", "x", "]", "{", "y", "}", "z"}},
      {"a..b...", {"a", ".", ".", "b", ".", ".", "."}},
      {"é.è,日。", {"é", ".", "è", ",", "日。"}},
      {"x\u00A0y\x1Fz", {"x", "y", "z"}},
  };
  for (const auto& [text, tokens] : kCases) EXPECT_EQ(tokens_13a(text), tokens) << text;
}

TEST(Bleu, WorkedCases) {
  const Texts reference = {"a b c d e f"};
  // Precisions 5/5, 3/4, 1/3, and 1/4 of 1/2 after smoothing; five tokens for six.
  const auto bleu = sentence_bleu("a b c e f", reference).value();
  EXPECT_EQ(bleu.counts, (std::array<int64_t, 4>{5, 3, 1, 0}));
  EXPECT_EQ(bleu.totals, (std::array<int64_t, 4>{5, 4, 3, 2}));
  EXPECT_DOUBLE_EQ(bleu.precisions[3], 100.0 / (2 * 2));
  EXPECT_DOUBLE_EQ(bleu.brevity_penalty, std::exp(1 - 6.0 / 5));
  expect_close(bleu.score, 100 * std::exp(1 - 6.0 / 5) * std::pow(.75 / 3 / 4, .25), "a b c e f");
  // The lengths 2 and 4 are equally near to 3; the shorter one counts.
  EXPECT_EQ(sentence_bleu("x y z", Texts{"x y z z", "x y"})->reference_tokens, 2);
  // Each word counts at most as often as in the reference that has it most often.
  EXPECT_EQ(sentence_bleu("x x x y y", Texts{"x x y", "x y y y"})->counts[0], 4);
}

TEST(Bleu, OfATextWithItselfIsPerfect) {
  const std::string text = "Ein Satz, 3.5 Wörter lang.";
  expect_close(sentence_bleu(text, Texts{text})->score, 100, text);
  expect_close(corpus_bleu(std::vector<TextSample>{{text, {"x", text}, ""}})->score, 100, text);
  expect_close(trace_bleu(text, text, 4), 1, text);
}

TEST(Bleu, CorpusOfOneDiffersFromSentenceOnlyInShortOrders) {
  const Texts references = {"a b"};
  const std::vector<TextSample> one = {{"a b", references, ""}};
  EXPECT_EQ(corpus_bleu(one)->score, 0);
  expect_close(sentence_bleu("a b", references)->score, 100, "a b");
}

TEST(Bleu, EmptyTextsAreZeroAndNoReferencesUndefined) {
  EXPECT_EQ(corpus_bleu({}), std::nullopt);
  EXPECT_EQ(corpus_bleu(std::vector<TextSample>{{"a", {"a"}, ""}, {"b", {}, ""}}), std::nullopt);
  EXPECT_EQ(sentence_bleu("a", Texts{}), std::nullopt);
  EXPECT_EQ(sentence_bleu("", Texts{"a"})->score, 0);
  EXPECT_EQ(sentence_bleu("", Texts{"a"})->brevity_penalty, 0);
  EXPECT_EQ(sentence_bleu("a", Texts{""})->score, 0);
  EXPECT_EQ(trace_bleu("", "a", 1), 0);
  EXPECT_EQ(trace_bleu(".", "", 4), 0);
}

TEST(Bleu, TakesAnyBytesOfAnyLength) {
  const std::string damaged = repeated("\xFF.\xC3 a,b-\n", 1 << 20);
  expect_close(sentence_bleu(damaged, Texts{damaged}, Case::lowered)->score, 100, "damaged");
  EXPECT_EQ(sentence_bleu(std::string(1 << 20, 'x'), Texts{"x"})->score, 0);
}

}  // namespace
}  // namespace patina

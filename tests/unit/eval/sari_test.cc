// SARI against Hugging Face's values and worked cases.
#include "patina/eval/text/sari.h"

#include "patina/base/json.h"
#include "tests/support/shared.h"
#include "tests/unit/eval/metric_fixtures.h"

namespace patina {
namespace {

TEST(Sari, EqualsHuggingFace) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/sari.json";
  const Json file = read_cases(path);
  ASSERT_GE(file["cases"].size(), 15u);
  std::vector<TextSample> samples;
  for (const auto& each : file["cases"]) {
    samples.push_back({each["prediction"], each["references"], each["source"]});
    const auto& sample = samples.back();
    expect_close(sari(sample.source, sample.prediction, sample.references), each["sari"],
                 sample.prediction);
  }
  expect_close(corpus_sari(samples), file["corpus_sari"], "corpus");
}

TEST(Sari, WorkedCases) {
  // One word each, nothing in common: keep 0/0, delete right, add wrong; longer n-grams 0/0.
  expect_close(sari("one", "two", Texts{"three"}), 100.0 / 12 * (1 + 1 + 0 + 9), "one word");
  // Half the references keep what is kept: F 2/3, for one token and for two. "c" is not added.
  const double one = 2.0 / 3 + 1 + 0, two = 2.0 / 3 + 1 + 1, longer = 3;
  expect_close(sari("a b", "a b", Texts{"a b", "c"}), 100.0 / 12 * (one + two + 2 * longer),
               "kept");
}

TEST(Sari, OfWhatTheReferenceSaysIsPerfect) {
  for (const std::string text : {"", "a", "Ein Satz, lang.", "x x x", "\xFF\xFE"})
    expect_close(sari("Der Satz war sehr lang.", text, Texts{text}), 100, text);
}

TEST(Sari, IgnoresCaseAndSpacing) {
  EXPECT_EQ(sari("A b  c", "B\r\nC", Texts{"b c"}), sari("a B c", "b c", Texts{"B C"}));
}

TEST(Sari, StaysInItsRange) {
  const Texts words = {"", "a", "a b", "b a", "a a b", "c d", "a b c d e"};
  for (const auto& source : words)
    for (const auto& prediction : words)
      for (const auto& reference : words) {
        const double score = sari(source, prediction, Texts{reference, "a c"}).value();
        EXPECT_GE(score, 0);
        EXPECT_LE(score, 100 + 1e-9);
      }
}

TEST(Sari, WithoutReferencesOrSamplesIsUndefined) {
  EXPECT_EQ(sari("a", "b", Texts{}), std::nullopt);
  EXPECT_EQ(corpus_sari({}), std::nullopt);
  EXPECT_EQ(corpus_sari(std::vector<TextSample>{{"a", {"a"}, "a"}, {"a", {}, "a"}}), std::nullopt);
}

}  // namespace
}  // namespace patina

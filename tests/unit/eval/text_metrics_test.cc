// The table of text metrics: complete texts, means over samples, undefined values.
#include "patina/eval/text/text_metrics.h"

#include <set>

#include "patina/base/error.h"
#include "tests/unit/eval/metric_fixtures.h"

namespace patina {
namespace {

using Samples = std::vector<TextSample>;

Score value(const Samples& samples, std::string_view name) {
  return text_metric(name).of_samples(samples);
}

TEST(TextMetrics, NamesAreUniqueAndTextsComplete) {
  std::set<std::string> names;
  for (const auto& each : metrics()) names.insert(each.name);
  for (const auto& each : text_metrics()) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name;
    EXPECT_FALSE(each.formula.empty()) << each.name;
    EXPECT_FALSE(each.source.empty()) << each.name;
    EXPECT_NE(each.about.find("better"), std::string::npos) << each.name;
    EXPECT_NE(each.of_samples == nullptr, each.of_loss == nullptr) << each.name;
    EXPECT_EQ(&text_metric(each.name), &each);
    EXPECT_NE(metrics_markdown().find("\n## " + each.name + "\n"), std::string::npos);
  }
}

TEST(TextMetrics, OfWhatTheReferenceSaysAreBest) {
  const Samples samples = {{"one two three four five", {"x", "one two three four five"}, "y"}};
  const std::set<std::string> of_hundred = {"bleu", "bleu_lowercase", "sentence_bleu", "fuzz_ratio",
                                            "fuzz_ratio_difflib"};
  for (const auto& each : text_metrics()) {
    if (!each.of_samples || each.name == "sari") continue;  // sari wants what both references say
    const Score score = each.of_samples(samples);
    ASSERT_TRUE(score) << each.name;
    EXPECT_NEAR(*score, of_hundred.contains(each.name) ? 100 : 1, 1e-7) << each.name;
  }
}

TEST(TextMetrics, AreMeansOverSamples) {
  const Samples samples = {{"a b", {"a c"}, ""}, {"The cat", {"cat"}, ""}, {"", {"x"}, ""}};
  const std::pair<const char*, double> kExpected[] = {
      {"exact_match", 1.0 / 3},
      {"exact_match_keeping_articles", 0},
      {"token_f1", 1.0 / 3},
      {"rouge_1", (1.0 / 2 + 2.0 / 3) / 3},
      {"rouge_l", (1.0 / 2 + 2.0 / 3) / 3},
      {"trace_rouge_l", (1.0 / 2 + 2.0 / 3) / 3},  // the empty one still counts in the divisor
      {"trace_bleu_1", (1.0 / 2 + 1.0 / 2) / 3},
      {"edit_similarity", (2.0 / 3 + 3.0 / 7) / 3},
      {"fuzz_ratio", (67 + 60) / 3.0},
  };
  for (const auto& [name, expected] : kExpected)
    EXPECT_NEAR(value(samples, name).value(), expected, 1e-7) << name;
}

TEST(TextMetrics, WithoutSamplesOrReferencesAreUndefined) {
  const Samples none, lacking = {{"a", {"a"}, ""}, {"a", {}, ""}};
  for (const auto& each : text_metrics()) {
    if (!each.of_samples) {
      EXPECT_EQ(each.of_loss(TokenLoss()), std::nullopt) << each.name;
      continue;
    }
    EXPECT_EQ(each.of_samples(none), std::nullopt) << each.name;
    EXPECT_EQ(each.of_samples(lacking), std::nullopt) << each.name;
  }
}

TEST(TextMetrics, TakeAnyBytes) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  const std::string backwards(all.rbegin(), all.rend());
  for (const auto& each : text_metrics()) {
    if (!each.of_samples) continue;
    const double score = each.of_samples(Samples{{all, {backwards, ""}, all}}).value();
    EXPECT_TRUE(score >= 0 && score <= 100) << each.name;
  }
}

TEST(TextMetrics, UnknownNameSuggestsTheNearest) {
  try {
    text_metric("rouge_I");
    FAIL() << "must throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_STREQ(error.what(),
                 "unknown text metric \"rouge_I\", did you mean \"rouge_1\"? "
                 "(`patina list metrics` shows all)");
  }
}

}  // namespace
}  // namespace patina

// Perplexity and bits per byte against values from log-softmax of stored scores.
#include "patina/eval/text/token_loss.h"

#include <limits>
#include <numbers>

#include "patina/base/json.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/unit/eval/metric_fixtures.h"

namespace patina {
namespace {

constexpr int kIgnored = -100;

double nll(const std::vector<double>& scores, int target) {
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - most);
  return std::log(sum) + most - scores[static_cast<size_t>(target)];
}

TokenLoss loss_of(const Json& each) {
  TokenLoss loss;
  const size_t shift = each["shift"].get<bool>() ? 1 : 0;
  for (size_t t = 0; t + shift < each["labels"].size(); ++t) {
    const int label = each["labels"][t + shift];
    if (label != kIgnored) loss.add(nll(each["logits"][t], label), 1);
  }
  return loss;
}

TEST(TokenLoss, EqualsCrossEntropy) {
  const auto path = fixture_folder(Fixtures::small) / "metrics/perplexity.json";
  const Json file = read_cases(path);
  ASSERT_GE(file["cases"].size(), 15u);
  TokenLoss corpus;
  for (const auto& each : file["cases"]) {
    const TokenLoss loss = loss_of(each);
    EXPECT_EQ(loss.tokens(), each["tokens"]);
    expect_close(loss.nll_sum(), each["nll_sum"], "sum");
    expect_close(loss.mean(), each["nll_mean"], "mean");
    expect_close(loss.perplexity(), each["perplexity"], "perplexity");
    corpus.merge(loss);
  }
  expect_close(corpus.mean(), file["corpus"]["nll_mean_over_tokens"], "corpus mean");
  expect_close(corpus.perplexity(), file["corpus"]["perplexity"], "corpus perplexity");
}

TEST(TokenLoss, IsUndefinedUntilSomethingIsCounted) {
  TokenLoss loss;
  loss.add(0, 0);
  EXPECT_EQ(loss.mean(), std::nullopt);
  EXPECT_EQ(loss.perplexity(), std::nullopt);
  EXPECT_EQ(loss.bits_per_byte(), std::nullopt);
  loss.add(1, 2);
  EXPECT_EQ(loss.mean(), Score(.5));
  EXPECT_EQ(loss.bits_per_byte(), std::nullopt);
}

TEST(TokenLoss, UniformGuessesAreAsManyBitsAsTheyTake) {
  TokenLoss loss;
  loss.add(10 * std::log(256), 10, 10);
  expect_close(loss.perplexity(), 256, "perplexity");
  expect_close(loss.bits_per_byte(), 8, "bits");
  loss.add(0, 0, 10);
  expect_close(loss.bits_per_byte(), 4, "bits over more text");
}

TEST(TokenLoss, IsOverTokensNotBatches) {
  TokenLoss first, second, whole;
  first.add(8, 1, 3);
  second.add(3, 10, 20);
  whole.add(11, 11, 23);
  first.merge(second);
  EXPECT_EQ(first.tokens(), whole.tokens());
  EXPECT_EQ(first.bytes(), whole.bytes());
  EXPECT_EQ(first.perplexity(), Score(std::numbers::e));
  EXPECT_EQ(first.bits_per_byte(), whole.bits_per_byte());
}

TEST(TokenLoss, DoesNotHideALossThatIsNotFinite) {
  TokenLoss loss;
  loss.add(std::numeric_limits<double>::quiet_NaN(), 1, 1);
  EXPECT_TRUE(std::isnan(loss.perplexity().value()));
  EXPECT_TRUE(std::isnan(loss.bits_per_byte().value()));
}

TEST(TokenLossDeathTest, RefusesNegativeCounts) {
  TokenLoss loss;
  EXPECT_TRUE(contains(error_of([&] { (void)(loss.add(1, -1)); }), "-1 tokens"));
  EXPECT_TRUE(contains(error_of([&] { (void)(loss.add(1, 1, -2)); }), "-2 bytes"));
}

}  // namespace
}  // namespace patina

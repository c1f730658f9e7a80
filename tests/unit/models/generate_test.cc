// The choice of tokens, and the loop around it.
#include "patina/models/generate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/errors.h"
#include "tests/support/families.h"

namespace patina {
namespace {

const std::vector<float> kScores = {1.0f, 3.0f, -2.0f, 2.5f, 3.0f};

std::vector<double> shares(const GenerateOptions& options, std::vector<int64_t> there = {}) {
  Random random = Seeds(5)("draws");
  std::vector<double> counts(kScores.size());
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i)
    counts[size_t(choose(kScores, there, options, random))] += 1.0 / kDraws;
  return counts;
}

TEST(Choose, GreedyTakesTheLikeliestAndOfEqualsTheFirst) {
  Random random;
  EXPECT_EQ(choose(kScores, {}, {}, random), 1);
  EXPECT_EQ(random.position(), 0u) << "greedy drew a number";
}

TEST(Choose, DrawsFromTheSoftmax) {
  const auto counts = shares({.temperature = 2});
  double sum = 0;
  for (const float score : kScores) sum += std::exp(score / 2);
  for (size_t i = 0; i < kScores.size(); ++i)
    EXPECT_NEAR(counts[i], std::exp(kScores[i] / 2) / sum, 0.015) << i;
}

TEST(Choose, TopKLeavesTheRest) {
  const auto counts = shares({.temperature = 5, .top_k = 2});
  EXPECT_NEAR(counts[1], 0.5, 0.02);
  EXPECT_NEAR(counts[4], 0.5, 0.02);
}

// Two tokens with 0.34 each reach 0.5; the one that crosses the limit is kept.
TEST(Choose, TopPKeepsTheNucleus) {
  const auto counts = shares({.temperature = 1, .top_p = 0.5});
  EXPECT_NEAR(counts[1] + counts[4], 1, 1e-9);
  EXPECT_GT(counts[4], 0.4);
  EXPECT_NEAR(shares({.temperature = 1, .top_p = 0.01})[1], 1, 1e-9);
}

TEST(Choose, ThePenaltyDividesWhatIsThere) {
  Random random;
  const std::vector<int64_t> both = {1, 1, 4};
  EXPECT_EQ(choose(kScores, both, {.repetition_penalty = 1.5}, random), 3);
  // 3 / 1.1 = 2.73 is still above 2.5: applied once, however often the token is there.
  EXPECT_EQ(
      choose(kScores, std::vector<int64_t>{1, 1, 1, 4, 4}, {.repetition_penalty = 1.1}, random), 1);
  const std::vector<float> negative = {-1.0f, -1.5f};
  EXPECT_EQ(choose(negative, std::vector<int64_t>{0}, {.repetition_penalty = 2}, random), 1);
}

TEST(Choose, NanIsNeverChosen) {
  Random random;
  const std::vector<float> scores = {NAN, 1.0f, NAN, 0.5f};
  EXPECT_EQ(choose(scores, {}, {}, random), 1);
  for (int i = 0; i < 100; ++i) {
    const int64_t id = choose(scores, {}, {.temperature = 3}, random);
    EXPECT_TRUE(id == 1 || id == 3);
  }
}

TEST(Generate, RowsGoOnAsEachAlone) {
  for (const std::string name : {"gpt2", "llama", "qwen2", "gemma", "t5"}) {
    const auto family = tiny_family(name);
    const GenerateOptions greedy{.max_tokens = 9};
    const auto both = generate(*family.network, family.input, {}, greedy);
    const Tensor& ids = family.input.data;
    EXPECT_EQ(both[0], generate(*family.network, ids.slice(0, 0, 1), {}, greedy)[0]) << name;
    EXPECT_EQ(both[1], generate(*family.network, ids.slice(0, 1, 2).slice(1, 0, 5), {}, greedy)[0])
        << name;
    EXPECT_EQ(both[0].size(), 9u);
    // Sampled ids, too, are the same as without a cache.
    GenerateOptions sampled{.max_tokens = 9,
                            .temperature = 1.5,
                            .top_k = 12,
                            .top_p = 0.9,
                            .repetition_penalty = 1.2,
                            .seed = 11};
    const auto cached = generate(*family.network, family.input, {}, sampled);
    sampled.cache = false;
    EXPECT_EQ(cached, generate(*family.network, family.input, {}, sampled)) << name;
    sampled.seed = 12;
    EXPECT_NE(cached, generate(*family.network, family.input, {}, sampled)) << name;
  }
}

TEST(Generate, StopsEachRowAtItsStop) {
  const auto family = tiny_family("gpt2");
  const auto free = generate(*family.network, family.input, {}, {.max_tokens = 12});
  const int64_t stop = free[0][4];
  std::vector<std::pair<int64_t, int64_t>> heard;
  const auto stopped = generate(*family.network, family.input, {stop}, {.max_tokens = 12}, {},
                                [&](const ChosenToken& one) {
                                  heard.emplace_back(one.row, one.id);
                                  return true;
                                });
  for (size_t row = 0; row < 2; ++row) {
    const auto first = std::find(free[row].begin(), free[row].end(), stop);
    EXPECT_EQ(stopped[row], std::vector<int64_t>(free[row].begin(), first));
  }
  EXPECT_EQ(heard.size(), stopped[0].size() + stopped[1].size());
}

TEST(Generate, EndsWithTheModelsRoom) {
  const auto family = tiny_family("gpt2");
  EXPECT_EQ(generate(*family.network, family.input, {}, {.max_tokens = 500})[0].size(), 64u - 7);
  const Tensor full = at::zeros({1, 64}, at::kLong);
  EXPECT_EQ(error_of([&] { generate(*family.network, full, {}, {}); }),
            "a prompt of 64 tokens leaves no room: the model takes 64");
  EXPECT_TRUE(contains(error_of([&] {
                         generate(*family.network, at::zeros({1, 0}, at::kLong), {}, {});
                       }),
                       "empty prompt"));
  const auto bert = tiny_family("bert");
  EXPECT_EQ(error_of([&] { generate(*bert.network, bert.input, {}, {}); }),
            "bert 2x24, 4 heads, 30 words does not generate text");
}

}  // namespace
}  // namespace patina

// Random numbers: the generator's published values, and the same streams on every machine.
#include "patina/base/random.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "patina/base/error.h"
#include "patina/checkpoint/safetensors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

constexpr uint64_t kKey = 0x0123456789abcdef;

// The first line of Philox4x32-10's known answers (Random123 1.09, kat_vectors).
TEST(Random, GivesThePublishedAnswerForZeroKeyAndCounter) {
  Random random(0, 0);
  for (const uint32_t word : {0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u})
    EXPECT_EQ(random.bits(), word);
}

// Computed with a separate Python implementation.
TEST(Random, IsAFunctionOfKeyAndPosition) {
  const std::vector<uint32_t> words = {0xb850222eu, 0xc58cb04bu, 0x14a7a020u, 0x7a84fff9u,
                                       0xadca1466u, 0x523e0d85u, 0x65401425u, 0xb299da3fu};
  Random random(kKey, 0);
  for (const uint32_t word : words) EXPECT_EQ(random.bits(), word);
  EXPECT_EQ(random.position(), 8u);
  random.seek(5);
  EXPECT_EQ(random.bits(), words[5]);
  EXPECT_EQ(Random(kKey, 3).bits(), words[3]);
  Random real(kKey, 0);
  EXPECT_EQ(real.uniform(), 0.719972742882952);
  EXPECT_EQ(Random(kKey, 0).below(uint64_t{1} << 40), 0x2ec58cb04bu) << "the first word is high";
}

TEST(Random, NamesAndItemsHaveTheirOwnStreams) {
  Random named = Seeds(1993)("augment", 7);
  EXPECT_EQ(named.bits(), 0xc5908c79u);
  Random item = Random(kKey, 40).at(5);
  EXPECT_EQ(item.bits(), 0x3021dbabu);
  EXPECT_NE(Seeds(1993)("augment", 7).at(0).bits(), Seeds(1993)("augment", 8).at(0).bits());
  EXPECT_NE(Seeds(1993)("a").bits(), Seeds(1993)("b").bits());
  EXPECT_NE(Seeds(1993)("a").bits(), Seeds(1994)("a").bits());
}

TEST(Random, UniformFillsTheUnitIntervalEvenly) {
  Random random(1, 0);
  constexpr int kDraws = 100000, kBins = 20;
  std::array<int, kBins> bins{};
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.uniform();
    ASSERT_GE(x, 0);
    ASSERT_LT(x, 1);
    ++bins[size_t(x * kBins)];
  }
  double chi = 0;
  const double wanted = double(kDraws) / kBins;
  for (const int count : bins) chi += std::pow(count - wanted, 2) / wanted;
  EXPECT_LT(chi, 43.8);  // 19 degrees of freedom: 99.9 %
}

TEST(Random, NormalHasItsMoments) {
  Random random(2, 0);
  constexpr int kDraws = 100000;
  double first = 0, second = 0, third = 0, inside = 0;
  for (int i = 0; i < kDraws; ++i) {
    const double x = random.normal();
    first += x, second += x * x, third += x * x * x, inside += std::abs(x) < 1;
  }
  EXPECT_NEAR(first / kDraws, 0, 0.015);
  EXPECT_NEAR(second / kDraws, 1, 0.02);
  EXPECT_NEAR(third / kDraws, 0, 0.05);
  EXPECT_NEAR(inside / kDraws, 0.6827, 0.006);
}

TEST(Random, BelowReachesEveryNumberEqually) {
  Random random(3, 0);
  std::array<int, 7> counts{};
  for (int i = 0; i < 70000; ++i) ++counts[random.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 400);
  EXPECT_EQ(random.below(1), 0u);
}

TEST(Random, PermutationHoldsEveryNumberOnce) {
  Random random(4, 0);
  std::vector<int64_t> order = random.permutation(100);
  EXPECT_FALSE(std::ranges::is_sorted(order));
  std::ranges::sort(order);
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(order[size_t(i)], i);
}

TEST(NumpyPermutation, IsNumpysBitForBit) {
  // numpy.random.RandomState(0).permutation(10)
  EXPECT_EQ(numpy_permutation(0, 10), (std::vector<int64_t>{2, 8, 4, 9, 1, 6, 7, 3, 0, 5}));
  EXPECT_TRUE(numpy_permutation(1, 0).empty());
}

TEST(NumpyPermutation, MatchesTheFieldsClassOrders) {
  const auto path = fixture_folder(Fixtures::small) / "vision/class_order.expected.safetensors";
  const auto file = SafetensorsFile::open(path);
  int compared = 0;
  for (const uint32_t seed : {1993u, 0u}) {
    for (const int64_t count : {10, 50, 100, 200}) {
      const auto& stored = file.at(fmt::format("perm_seed{}_{}", seed, count));
      ASSERT_EQ(stored.dtype, DType::i64);
      std::vector<int64_t> expected(size_t(count), 0);
      ASSERT_EQ(stored.data.size(), expected.size() * sizeof(int64_t));
      std::memcpy(expected.data(), stored.data.data(), stored.data.size());
      EXPECT_EQ(numpy_permutation(seed, count), expected) << seed << " " << count;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 8);
}

}  // namespace
}  // namespace patina

// Products and packing for every instruction set, compared with their definitions.
#include "patina/kernels/tiles.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "tests/unit/kernels/instruction_sets.h"

namespace patina::kernels {
namespace {

std::vector<float> normal(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> one;
  std::vector<float> numbers(static_cast<size_t>(count));
  for (float& x : numbers) x = one(random);
  return numbers;
}

template <class T = bf16>
std::vector<T> rounded_all(const std::vector<float>& numbers) {
  std::vector<T> words(numbers.size());
  std::transform(numbers.begin(), numbers.end(), words.begin(),
                 [](float x) { return rounded<T>(x); });
  return words;
}

// Where element (i, j) of W [n,k] belongs.
template <class T = bf16>
size_t place(int64_t i, int64_t j, int64_t k) {
  if (std::is_same_v<T, float>) return size_t((i / kBlock * k + j) * kBlock + i % kBlock);
  const int64_t tile = i / kTileN * (round_up(k, kTileK) / kTileK) + j / kTileK;
  return size_t(tile * kTile + j % kTileK / 2 * kTileK + i % kTileN * 2 + j % 2);
}

template <class T>
std::vector<T> packed(const std::vector<T>& from, int64_t row, int64_t column, int64_t n,
                      int64_t k) {
  std::vector<T> tiles(size_t(tiles_size<T>(n, k)), 0);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) tiles[place<T>(i, j, k)] = from[size_t(i * row + j * column)];
  return tiles;
}

const std::vector<std::pair<int64_t, int64_t>> kSizes = {{1, 1},   {16, 32}, {32, 64}, {33, 65},
                                                         {5, 100}, {70, 7},  {48, 96}, {197, 64}};

TEST(Tiles, HoldEachElementInItsPlace) {
  for (const auto& [n, k] : kSizes) {
    const auto numbers = normal((n + 3) * (k + 5), 1);
    const auto words = rounded_all(numbers);
    for (const auto& [row, column] :
         std::vector<std::pair<int64_t, int64_t>>{{k + 5, 1}, {1, n + 3}, {2, 2 * n + 1}}) {
      if ((n - 1) * row + (k - 1) * column >= int64_t(numbers.size())) continue;
      const auto expected = packed(words, row, column, n, k);
      for (const auto& [name, set] : instruction_sets()) {
        SCOPED_TRACE(name + " " + std::to_string(n) + " x " + std::to_string(k));
        std::vector<bf16> tiles(expected.size(), 0x1234);
        set->rounded.pack(words.data(), row, column, n, k, tiles.data());
        EXPECT_EQ(tiles, expected);
        std::fill(tiles.begin(), tiles.end(), 0x1234);
        set->rounded.pack_rounded(numbers.data(), row, column, n, k, tiles.data());
        EXPECT_EQ(tiles, expected);
        std::vector<float> strips(size_t(tiles_size<float>(n, k)), 1234);
        set->floats.pack(numbers.data(), row, column, n, k, strips.data());
        EXPECT_EQ(strips, packed(numbers, row, column, n, k));
      }
    }
  }
}

TEST(Tiles, UnpackToTheTransposedMatrix) {
  for (const auto& [n, k] : kSizes) {
    const auto tiles = packed(rounded_all(normal(n * k, 1)), k, 1, n, k);
    const int64_t height = round_up(k, kTileK), width = round_up(n, kBlock), stride = width + 3;
    for (const auto& [name, set] : instruction_sets()) {
      SCOPED_TRACE(name + " " + std::to_string(n) + " x " + std::to_string(k));
      std::vector<bf16> to(size_t(height * stride), 0x1234);
      set->rounded.unpack_transposed(tiles.data(), n, k, to.data(), stride);
      for (int64_t j = 0; j < height; ++j) {
        for (int64_t i = 0; i < width; ++i)
          ASSERT_EQ(to[size_t(j * stride + i)], tiles[place(i, j, k)]) << i << " " << j;
        for (int64_t i = width; i < stride; ++i) ASSERT_EQ(to[size_t(j * stride + i)], 0x1234);
      }
    }
  }
}

double activated_exactly(Activation activation, double x) {
  if (activation == Activation::gelu) return 0.5 * x * std::erfc(-x / std::sqrt(2.0));
  const auto swish = [x](double inner) { return x / (1 + std::exp(-inner)); };
  if (activation == Activation::gelu_tanh)
    return swish(1.5957691216057308 * (x + 0.044715 * x * x * x));
  if (activation == Activation::quick_gelu) return swish(1.702 * x);
  if (activation == Activation::silu) return swish(x);
  if (activation == Activation::relu) return std::max(x, 0.0);
  if (activation == Activation::tanh) return std::tanh(x);
  return x;
}

// One product with everything that may follow it, and the expected result.
template <class T>
struct ProductTrial {
  int64_t m, n, k;
  bool bias, add, before, rounds;
  Activation activation;
  int64_t width = round_up(k, kStep<T>), stride = n + 3;
  std::vector<T> a, w, tiles, kept;
  std::vector<bf16> words;
  std::vector<float> bias_numbers, add_numbers, numbers;

  void prepare() {
    a = rounded_all<T>(normal(m * width, 1));
    for (int64_t i = 0; i < m; ++i)
      std::fill(a.data() + i * width + k, a.data() + (i + 1) * width, T{0});
    w = rounded_all<T>(normal(n * k, 2));
    tiles = packed(w, k, 1, n, k);
    bias_numbers = normal(round_up(n, kBlock), 3);
    add_numbers = normal(m * stride, 4);
    kept.assign(size_t(m * stride), 0x1234);
    words.assign(kept.size(), 0x1234);
    numbers.assign(kept.size(), 1234);
  }

  Product<T> product() {
    Product<T> p;
    p.a = a.data();
    p.a_stride = width;
    p.m = m;
    p.tiles = tiles.data();
    p.n = n;
    p.k = k;
    p.bias = bias ? bias_numbers.data() : nullptr;
    p.activation = activation;
    p.add = add ? add_numbers.data() : nullptr;
    p.before = before ? kept.data() : nullptr;
    p.add_stride = p.before_stride = p.c_stride = stride;
    p.c = rounds ? static_cast<void*>(words.data()) : numbers.data();
    p.rounds = rounds;
    return p;
  }

  // Sums of k terms of size 1 are off by less than sqrt(k) 2^-20 where the terms are exact, as
  // products of bf16 are, sqrt(k) 2^-17 where they are rounded, and rough GELU by 6e-5.
  void check() const {
    constexpr bool kRough = std::is_same_v<T, bf16>;
    const double off = std::sqrt(double(k)) / (1 << (kRough ? 20 : 17)) + (kRough ? 7e-5 : 2e-6);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < stride; ++j) {
        const auto at = size_t(i * stride + j);
        if (j >= n) {
          ASSERT_EQ(kept[at], 0x1234);
          ASSERT_EQ(words[at], 0x1234);
          ASSERT_EQ(numbers[at], 1234);
          continue;
        }
        double x = bias ? bias_numbers[size_t(j)] : 0;
        for (int64_t l = 0; l < k; ++l)
          x += double(to_float(a[size_t(i * width + l)])) * to_float(w[size_t(j * k + l)]);
        if (before) {
          ASSERT_NEAR(to_float(kept[at]), x, (kRough ? std::fabs(x) / 256 : 0) + off);
        }
        double y = activated_exactly(activation, x);
        if (add) y += add_numbers[at];
        const double rounding = rounds ? std::fabs(y) / 256 : 0;
        ASSERT_NEAR(rounds ? to_float(words[at]) : numbers[at], y, rounding + off) << i << " " << j;
      }
  }
};

void run(const Instructions& set, const Product<bf16>& product) {
  set.begin();
  set.product(product);
}
void run(const Instructions& set, const Product<float>& product) {
  set.floats.product(product);
}

template <class T>
void expect_right(ProductTrial<T> trial) {
  for (const auto& [name, set] : instruction_sets()) {
    SCOPED_TRACE(name + " " + std::to_string(trial.m) + " x " + std::to_string(trial.n) + " x " +
                 std::to_string(trial.k));
    trial.prepare();
    run(*set, trial.product());
    trial.check();
  }
}

template <class T>
class Products : public testing::Test {};
using Types = testing::Types<bf16, float>;
TYPED_TEST_SUITE(Products, Types, );

TYPED_TEST(Products, AreRightWhateverRemains) {
  using Of = ProductTrial<TypeParam>;
  for (const int64_t m : {1, 31, 32, 33, 100})
    for (const int64_t n : {1, 16, 32, 45, 96})
      for (const int64_t k : {1, 2, 32, 77, 160})
        expect_right(Of{m, n, k, false, false, false, false, Activation::none});
  expect_right(Of{500, 64, 768, false, false, false, false, Activation::none});
}

TYPED_TEST(Products, EndWithBiasActivationAndSum) {
  for (const bool rounds : {false, true})
    for (const bool add : {false, true})
      for (const bool before : {false, true})
        for (const auto activation :
             {Activation::none, Activation::gelu, Activation::relu, Activation::tanh})
          if (!rounds || std::is_same_v<TypeParam, bf16>)
            expect_right(
                ProductTrial<TypeParam>{37, 45, 50, true, add, before, rounds, activation});
}

// Bit for bit.
TYPED_TEST(Products, OfARowDependOnThatRowOnly) {
  for (const auto& [name, set] : instruction_sets()) {
    SCOPED_TRACE(name);
    ProductTrial<TypeParam> trial{70, 45, 77, true, false, false, false, Activation::gelu};
    trial.prepare();
    run(*set, trial.product());
    auto one = trial;
    one.m = 1;
    for (int64_t row = 0; row < trial.m; ++row) {
      auto p = one.product();
      p.a += row * one.width;
      run(*set, p);
      EXPECT_TRUE(std::equal(one.numbers.begin(), one.numbers.begin() + one.n,
                             trial.numbers.begin() + row * trial.stride));
    }
  }
}

// Bit for bit, however many rows are left and into however many parts their sums fall.
TEST(ProductsOfFloats, OfARowAreTheSameForAnyNumberOfRows) {
  for (const auto& [name, set] : instruction_sets())
    for (const int64_t k : {1, 77, 1024, 1031, 2050}) {
      ProductTrial<float> most{20, 45, k, true, false, false, false, Activation::none};
      most.prepare();
      set->floats.product(most.product());
      most.check();
      for (int64_t m = 1; m < most.m; ++m) {
        SCOPED_TRACE(name + " " + std::to_string(m) + " x " + std::to_string(k));
        auto some = most;
        std::fill(some.numbers.begin(), some.numbers.end(), 1234.0f);
        auto p = some.product();
        p.a += (most.m - m) * most.width;
        p.m = m;
        set->floats.product(p);
        EXPECT_TRUE(std::equal(some.numbers.begin(), some.numbers.begin() + m * some.stride,
                               most.numbers.end() - m * most.stride));
      }
    }
}

// More rows than a panel has, of more steps than are added at a time.
TYPED_TEST(Products, AreRightInParts) {
  using Of = ProductTrial<TypeParam>;
  expect_right(Of{150, 70, 1500, true, true, true, false, Activation::none});
  expect_right(Of{261, 33, 100, true, true, false, false, Activation::silu});
}

// Each activation, as it ends a product and alone, and its gradient; numbers behind the last vector
// too.
TYPED_TEST(Products, ActivateLikeTheDefinitions) {
  constexpr bool kRough = std::is_same_v<TypeParam, bf16>;
  const double off = kRough ? 1.0 / 256 : 4e-6;
  std::vector<TypeParam> x, one;
  for (double at = -12; at <= 12; at += 0.0625) x.push_back(rounded<TypeParam>(float(at)));
  one.assign(x.size(), rounded<TypeParam>(1.0f));
  for (const auto& [name, set] : instruction_sets())
    for (const auto activation :
         {Activation::none, Activation::gelu, Activation::gelu_tanh, Activation::quick_gelu,
          Activation::relu, Activation::silu, Activation::tanh}) {
      const auto& rows = set->template rows<TypeParam>();
      std::vector<TypeParam> y(x.size()), gradients(x.size());
      rows.activate(activation, int64_t(x.size()), x.data(), y.data());
      rows.activate_back(activation, int64_t(x.size()), one.data(), x.data(), gradients.data());
      for (size_t i = 0; i < x.size(); ++i) {
        SCOPED_TRACE(name + " " + std::to_string(int(activation)) + " at " +
                     std::to_string(to_float(x[i])));
        const double at = to_float(x[i]), y_at = activated_exactly(activation, at);
        const double up = activated_exactly(activation, at + 1e-5),
                     down = activated_exactly(activation, at - 1e-5), gradient = (up - down) / 2e-5;
        EXPECT_NEAR(to_float(y[i]), y_at, off * std::max(1.0, std::fabs(y_at)));
        if (activation != Activation::relu || at != 0) {
          EXPECT_NEAR(to_float(gradients[i]), gradient, off * std::max(1.0, std::fabs(gradient)));
        }
        TypeParam alone;
        rows.activate(activation, 1, &x[i], &alone);
        EXPECT_EQ(alone, y[i]);
      }
    }
}

// Bit for bit: rows that lie as columns, one beside the other and apart.
TEST(ProductsOfFloats, ReadRowsThatLieAsColumns) {
  for (const auto& [name, set] : instruction_sets())
    for (const int64_t apart : {1, 3}) {
      SCOPED_TRACE(name + " " + std::to_string(apart));
      ProductTrial<float> trial{70, 45, 77, true, false, false, false, Activation::none};
      trial.prepare();
      run(*set, trial.product());
      const int64_t step = trial.m * apart + 2;
      std::vector<float> transposed(size_t(trial.k * step));
      for (int64_t i = 0; i < trial.m; ++i)
        for (int64_t j = 0; j < trial.k; ++j)
          transposed[size_t(i * apart + j * step)] = trial.a[size_t(i * trial.width + j)];
      auto other = trial;
      auto p = other.product();
      p.a = transposed.data();
      p.a_stride = apart;
      p.a_step = step;
      run(*set, p);
      EXPECT_EQ(other.numbers, trial.numbers);
    }
}

// Columns of tiles that are no neighbours.
TEST(Blocks, TakeTwoColumnsFromAnywhere) {
  constexpr int64_t kSteps = 3, kWidth = kSteps * kTileK;
  const auto a = rounded_all(normal(kBlock * kWidth, 1));
  const auto w = rounded_all(normal(2 * kBlock * kWidth, 2));
  const auto tiles = packed(w, kWidth, 1, 2 * kBlock, kWidth);
  for (const auto& [name, set] : instruction_sets()) {
    SCOPED_TRACE(name);
    std::vector<float> sums(size_t(kBlock * 40), 1234);
    set->begin();
    set->block(a.data(), kWidth, tiles.data() + 3 * kSteps * kTile, tiles.data(), kSteps,
               sums.data(), 40);
    for (int64_t i = 0; i < kBlock; ++i)
      for (int64_t j = 0; j < 40; ++j) {
        double expected = j < kBlock ? 0 : 1234;
        const int64_t row = j < kTileN ? j + 3 * kTileN : j - kTileN;
        for (int64_t l = 0; j < kBlock && l < kWidth; ++l)
          expected +=
              double(to_float(a[size_t(i * kWidth + l)])) * to_float(w[size_t(row * kWidth + l)]);
        ASSERT_NEAR(sums[size_t(i * 40 + j)], expected, 1e-4) << i << " " << j;
      }
  }
}

}  // namespace
}  // namespace patina::kernels

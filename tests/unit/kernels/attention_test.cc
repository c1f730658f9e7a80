// Attention, compared with its definition in fp64 on the same inputs: results, gradients, views,
// masks.
#include "patina/kernels/attention.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "tests/unit/kernels/instruction_sets.h"

namespace patina::kernels {
namespace {

// Limits of the relative error, a quotient of vector lengths. Rounding to bf16 has an error of at
// most 2^-9; forward rounds twice in a row, backward four times. Scores of hundreds in float have
// errors of some 2^-16, and so have their probabilities.
template <class T>
constexpr double kForwardError = std::is_same_v<T, bf16> ? 1.0 / 256 : 1.0 / (1 << 15);
template <class T>
constexpr double kBackwardError = 2 * kForwardError<T>;

struct Case {
  AttentionShape shape;
  Bias bias = {};     // its steps; the data is made
  bool fused = true;  // views of [B,T,(H + 2 Hk) size], or [B,H,T,size] each
  double spread = 1;  // of the inputs
};

AttentionShape shape_of(int64_t batch, int64_t heads, int64_t key_heads, int64_t queries,
                        int64_t keys, int64_t size, bool causal = false) {
  return {batch, heads, key_heads, queries, keys, size, 1.0f / std::sqrt(float(size)), causal};
}

// Rows of `heads` heads with room for `lanes` numbers, of which the view begins at `first`.
template <class T>
struct Tensor {
  std::vector<T> data;
  Strided<T> view;

  Tensor(int64_t batch, int64_t heads, int64_t rows, int64_t size, bool fused, int64_t lanes,
         int64_t first) {
    data.assign(size_t(batch * rows * (fused ? lanes : heads * size)), 0);
    if (fused)
      view = {data.data() + first, rows * lanes, size, lanes};
    else
      view = {data.data(), heads * rows * size, rows * size, size};
  }
  Strided<const T> read() const { return {view.data, view.sample, view.head, view.row}; }
};

template <class T>
struct Trial {
  Case c;
  Tensor<T> q, k, v, out, dout, dq, dk, dv;
  std::vector<float> bias, log_sums;

  Tensor<T> queries() const {
    const auto& s = c.shape;
    return {s.batch, s.heads, s.queries, s.size, c.fused, (s.heads + 2) * s.size, s.size};
  }
  Tensor<T> keys(int64_t part) const {
    const auto& s = c.shape;
    const int64_t width = s.key_heads * s.size;
    return {s.batch, s.key_heads, s.keys, s.size, c.fused, 2 * width + 3, part * width};
  }

  explicit Trial(const Case& made, unsigned seed = 1)
      : c(made),
        q(queries()),
        k(keys(0)),
        v(keys(1)),
        out(queries()),
        dout(queries()),
        dq(queries()),
        dk(keys(0)),
        dv(keys(1)) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    for (auto* tensor : {&q, &k, &v, &dout})
      for (T& x : tensor->data) x = rounded<T>(float(c.spread) * normal(random));
    const auto& s = c.shape;
    log_sums.assign(size_t(s.batch * s.heads * s.queries), 0.0f);
    if (!c.bias.data) return;
    bias.resize(size_t((s.batch - 1) * c.bias.sample + (s.heads - 1) * c.bias.head +
                       (s.queries - 1) * c.bias.query + (s.keys - 1) * c.bias.key + 1));
    for (float& x : bias) x = normal(random);
    c.bias.data = bias.data();
  }

  AttentionInputs<T> inputs() const { return {q.read(), k.read(), v.read(), c.bias}; }
  AttentionGradients<T> gradients() const {
    return {out.read(), dout.read(), log_sums.data(), dq.view, dk.view, dv.view};
  }
  void run(const Instructions& set) {
    attention_forward(c.shape, inputs(), out.view, log_sums.data(), 0, c.shape.units(), set);
    attention_backward(c.shape, inputs(), gradients(), 0, c.shape.units(), set);
  }
};

// Element [sample, head, row, i] of a dense matrix.
struct Dense {
  int64_t heads = 0, rows = 0, size = 0;
  std::vector<double> data;

  Dense(int64_t batch, int64_t heads, int64_t rows, int64_t size)
      : heads(heads), rows(rows), size(size), data(size_t(batch * heads * rows * size)) {}
  double* at(int64_t b, int64_t h, int64_t t) {
    return &data[size_t(((b * heads + h) * rows + t) * size)];
  }
};

template <class T>
Dense dense(const Strided<const T>& view, int64_t batch, int64_t heads, int64_t rows,
            int64_t size) {
  Dense all(batch, heads, rows, size);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t t = 0; t < rows; ++t)
        std::transform(view.at(b, h, t), view.at(b, h, t) + size, all.at(b, h, t),
                       [](T x) { return to_float(x); });
  return all;
}

// The definition.
template <class T>
struct Reference {
  const AttentionShape& shape;
  const Bias bias;
  Dense q, k, v, out, dq, dk, dv;
  std::vector<double> log_sums;
  std::vector<double> slopes;  // of the cap, at the scores of the query asked last

  explicit Reference(const Trial<T>& trial)
      : shape(trial.c.shape),
        bias(trial.c.bias),
        q(of_queries(trial.q)),
        k(of_keys(trial.k)),
        v(of_keys(trial.v)),
        out(of_queries(trial.q)),
        dq(out),
        dk(k),
        dv(k) {
    forward();
    backward(of_queries(trial.dout));
  }

  Dense of_queries(const Tensor<T>& x) const {
    return dense(x.read(), shape.batch, shape.heads, shape.queries, shape.size);
  }
  Dense of_keys(const Tensor<T>& x) const {
    return dense(x.read(), shape.batch, shape.key_heads, shape.keys, shape.size);
  }

  template <class Visit>
  void each_query(Visit&& visit) {
    for (int64_t b = 0; b < shape.batch; ++b)
      for (int64_t h = 0; h < shape.heads; ++h)
        for (int64_t t = 0; t < shape.queries; ++t)
          visit(b, h, h / (shape.heads / shape.key_heads), t);
  }

  // The probabilities of a query's keys; all 0 where it sees none.
  std::vector<double> probabilities(int64_t b, int64_t h, int64_t key_head, int64_t t,
                                    double& log_sum) {
    std::vector<double> p(size_t(shape.keys));
    slopes.resize(p.size());
    double largest = kHidden;
    for (int64_t s = 0; s < shape.keys; ++s) {
      double& x = p[size_t(s)];
      for (int64_t i = 0; i < shape.size; ++i) x += q.at(b, h, t)[i] * k.at(b, key_head, s)[i];
      x *= shape.scale;
      slopes[size_t(s)] = 1;
      if (shape.cap > 0) {
        const double t = std::tanh(x / shape.cap);
        x = shape.cap * t;
        slopes[size_t(s)] = 1 - t * t;
      }
      if (bias.data)
        x += bias.data[b * bias.sample + h * bias.head + t * bias.query + s * bias.key];
      if (shape.causal && s > t + shape.keys - shape.queries) x = kHidden;
      largest = std::max(largest, x);
    }
    log_sum = 0;
    if (largest < 0.1 * kHidden) return std::vector<double>(p.size());
    double sum = 0;
    for (double& x : p) sum += x = std::exp(x - largest);
    for (double& x : p) x /= sum;
    log_sum = largest + std::log(sum);
    return p;
  }

  void forward() {
    std::fill(out.data.begin(), out.data.end(), 0);
    each_query([&](int64_t b, int64_t h, int64_t key_head, int64_t t) {
      const auto p = probabilities(b, h, key_head, t, log_sums.emplace_back());
      for (int64_t s = 0; s < shape.keys; ++s)
        for (int64_t i = 0; i < shape.size; ++i)
          out.at(b, h, t)[i] += p[size_t(s)] * v.at(b, key_head, s)[i];
    });
  }

  void backward(Dense gradients) {
    for (Dense* x : {&dq, &dk, &dv}) std::fill(x->data.begin(), x->data.end(), 0);
    each_query([&](int64_t b, int64_t h, int64_t key_head, int64_t t) {
      double log_sum = 0, delta = 0;
      const auto p = probabilities(b, h, key_head, t, log_sum);
      const double* gradient = gradients.at(b, h, t);
      for (int64_t i = 0; i < shape.size; ++i) delta += gradient[i] * out.at(b, h, t)[i];
      for (int64_t s = 0; s < shape.keys; ++s) {
        double dp = 0;
        for (int64_t i = 0; i < shape.size; ++i) dp += gradient[i] * v.at(b, key_head, s)[i];
        const double ds = p[size_t(s)] * (dp - delta) * slopes[size_t(s)] * shape.scale;
        for (int64_t i = 0; i < shape.size; ++i) {
          dv.at(b, key_head, s)[i] += p[size_t(s)] * gradient[i];
          dk.at(b, key_head, s)[i] += ds * q.at(b, h, t)[i];
          dq.at(b, h, t)[i] += ds * k.at(b, key_head, s)[i];
        }
      }
    });
  }
};

// |x - expected| / |expected|; NaN counts as a whole.
double difference(const Dense& x, const Dense& expected) {
  double error = 0, length = 0;
  for (size_t i = 0; i < x.data.size(); ++i) {
    error += std::pow(x.data[i] - expected.data[i], 2);
    length += std::pow(expected.data[i], 2);
  }
  const double part = std::sqrt(error / std::max(length, 1e-12));
  return part == part ? part : 1;
}

template <class T>
void expect_like_definition(const Case& c, const std::string& what) {
  Trial<T> trial(c);
  const Reference<T> expected(trial);
  for (const auto& [name, set] : instruction_sets()) {
    SCOPED_TRACE(what + ", " + name);
    trial.run(*set);
    EXPECT_LT(difference(expected.of_queries(trial.out), expected.out), kForwardError<T>);
    EXPECT_LT(difference(expected.of_queries(trial.dq), expected.dq), kBackwardError<T>);
    EXPECT_LT(difference(expected.of_keys(trial.dk), expected.dk), kBackwardError<T>);
    EXPECT_LT(difference(expected.of_keys(trial.dv), expected.dv), kBackwardError<T>);
    for (size_t i = 0; i < trial.log_sums.size(); ++i)
      ASSERT_NEAR(trial.log_sums[i], expected.log_sums[i], 1e-4) << i;
  }
}

template <class T>
class Attention : public testing::Test {};
using Types = testing::Types<bf16, float>;
TYPED_TEST_SUITE(Attention, Types, );

TYPED_TEST(Attention, FollowsItsDefinitionForManyShapes) {
  for (const int64_t size : {5, 16, 32, 48, 64, 80, 128, 256})
    for (const auto& [queries, keys] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 9}, {1, 70}, {4, 31}, {5, 33}, {32, 32}, {65, 65}, {97, 40}, {40, 197}}) {
      const std::string what =
          std::to_string(size) + ": " + std::to_string(queries) + " x " + std::to_string(keys);
      expect_like_definition<TypeParam>({shape_of(1, 2, 2, queries, keys, size)}, what);
      expect_like_definition<TypeParam>({shape_of(2, 2, 1, queries, keys, size), {}, false},
                                        what + ", apart");
    }
  expect_like_definition<TypeParam>({shape_of(1, 3, 3, 197, 197, 64)}, "an image");
}

TYPED_TEST(Attention, SharesKeysBetweenQueryHeads) {
  for (const bool fused : {false, true})
    for (const int64_t queries : {1, 2, 37, 64})
      expect_like_definition<TypeParam>({shape_of(2, 6, 2, queries, 45, 32), {}, fused},
                                        std::to_string(queries) + " queries");
}

TYPED_TEST(Attention, AddsEveryKindOfBias) {
  const auto shape = shape_of(2, 4, 2, 37, 50, 32);
  static const float some = 0;
  const int64_t one = 37 * 50;
  for (const Bias& bias :
       {Bias{&some, 4 * one, one, 50, 1}, Bias{&some, 0, one, 50, 1}, Bias{&some, one, 0, 50, 1},
        Bias{&some, 50, 0, 0, 1}, Bias{&some, 0, 0, 50, 1}, Bias{&some, 4 * one, one, 1, 37},
        Bias{&some, 7, 3, 1, 0}})
    expect_like_definition<TypeParam>({shape, bias}, "steps " + std::to_string(bias.sample) + " " +
                                                         std::to_string(bias.head) + " " +
                                                         std::to_string(bias.query));
  expect_like_definition<TypeParam>({shape_of(2, 2, 2, 1, 50, 32), {&some, 100, 50, 50, 1}},
                                    "one query");
}

TYPED_TEST(Attention, HidesWhatComesLater) {
  for (const int64_t key_heads : {1, 2})
    for (const auto& [queries, keys] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 40}, {3, 40}, {70, 70}, {40, 133}, {133, 40}, {33, 32}}) {
      const auto shape = shape_of(2, 2, key_heads, queries, keys, 32, true);
      expect_like_definition<TypeParam>({shape},
                                        std::to_string(queries) + " x " + std::to_string(keys));
    }
}

// Scores of about 1, 10 and 100 under caps of 5 and 50: below the cap, around it, far above it.
TYPED_TEST(Attention, CapsScores) {
  static const float some = 0;
  for (const float cap : {5.0f, 50.0f})
    for (const double spread : {1.0, 3.0, 6.0})
      for (const auto& [queries, keys] :
           std::vector<std::pair<int64_t, int64_t>>{{1, 9}, {2, 50}, {37, 50}, {70, 70}}) {
        Case c{shape_of(2, 4, 2, queries, keys, 32)};
        c.shape.cap = cap;
        c.spread = spread;
        const std::string what = std::to_string(cap) + ", " + std::to_string(spread) + ": " +
                                 std::to_string(queries) + " x " + std::to_string(keys);
        expect_like_definition<TypeParam>(c, what);
        c.bias = {&some, 4 * queries * keys, queries * keys, keys, 1};
        expect_like_definition<TypeParam>(c, what + ", with a bias");
        c.bias = {};
        c.shape.causal = true;
        expect_like_definition<TypeParam>(c, what + ", causal");
      }
}

TYPED_TEST(Attention, AddsUpMoreKeysThanItKeeps) {
  expect_like_definition<TypeParam>({shape_of(1, 2, 1, 40, 2100, 16)}, "all seen");
  expect_like_definition<TypeParam>({shape_of(1, 1, 1, 1100, 1100, 16, true)}, "causal");
}

TYPED_TEST(Attention, StaysExactForLargeScores) {
  Case c{shape_of(1, 2, 2, 65, 65, 64)};
  c.spread = 6;
  expect_like_definition<TypeParam>(c, "scores up to hundreds");
}

// Queries 3 and 4 see no key, the others every second one.
TYPED_TEST(Attention, GivesZerosToAQueryThatSeesNothing) {
  for (const float hidden : {kHidden, -std::numeric_limits<float>::infinity()}) {
    const auto shape = shape_of(1, 2, 1, 37, 50, 32);
    static const float some = 0;
    Trial<TypeParam> trial({shape, {&some, 0, 0, 50, 1}});
    for (size_t i = 0; i < trial.bias.size(); ++i)
      if (i % 2 || i / 50 == 3 || i / 50 == 4) trial.bias[i] = hidden;
    const Reference<TypeParam> expected(trial);
    for (const auto& [name, set] : instruction_sets()) {
      SCOPED_TRACE(name);
      trial.run(*set);
      EXPECT_LT(difference(expected.of_queries(trial.out), expected.out), kForwardError<TypeParam>);
      EXPECT_LT(difference(expected.of_queries(trial.dq), expected.dq), kBackwardError<TypeParam>);
      EXPECT_LT(difference(expected.of_keys(trial.dk), expected.dk), kBackwardError<TypeParam>);
      EXPECT_LT(difference(expected.of_keys(trial.dv), expected.dv), kBackwardError<TypeParam>);
      for (const int64_t head : {0, 1})
        for (int64_t i = 0; i < 32; ++i) EXPECT_EQ(to_float(trial.out.view.at(0, head, 3)[i]), 0);
    }
  }
}

TYPED_TEST(Attention, LetsWhatIsNotANumberBeSeen) {
  for (const auto& [name, set] : instruction_sets()) {
    Trial<TypeParam> trial({shape_of(1, 1, 1, 40, 40, 32)});
    trial.q.view.at(0, 0, 2)[7] = rounded<TypeParam>(std::nanf(""));
    attention_forward(trial.c.shape, trial.inputs(), trial.out.view, nullptr, 0, 1, *set);
    EXPECT_TRUE(std::isnan(to_float(trial.out.view.at(0, 0, 2)[0]))) << name;
    EXPECT_FALSE(std::isnan(to_float(trial.out.view.at(0, 0, 3)[0]))) << name;
  }
}

// Bit for bit. Memory beside the views is unchanged: both trials began with the same bits.
TYPED_TEST(Attention, DependsOnNeitherRangesNorNeighbours) {
  for (const auto& [name, set] : instruction_sets())
    for (const bool causal : {false, true}) {
      SCOPED_TRACE(name);
      const auto shape = shape_of(3, 4, 2, 45, 70, 48, causal);
      Trial<TypeParam> whole({shape}), parts({shape});
      whole.run(*set);
      for (const int64_t unit : {4, 2, 0, 5, 3, 1})
        attention_forward(shape, parts.inputs(), parts.out.view, parts.log_sums.data(), unit,
                          unit + 1, *set);
      attention_backward(shape, parts.inputs(), parts.gradients(), 4, 6, *set);
      attention_backward(shape, parts.inputs(), parts.gradients(), 0, 4, *set);
      EXPECT_EQ(whole.out.data, parts.out.data);
      EXPECT_EQ(whole.log_sums, parts.log_sums);
      EXPECT_EQ(whole.dq.data, parts.dq.data);
      EXPECT_EQ(whole.dk.data, parts.dk.data);
      EXPECT_EQ(whole.dv.data, parts.dv.data);
    }
}

TYPED_TEST(Attention, WritesNothingBesideItsViews) {
  for (const auto& [name, set] : instruction_sets()) {
    SCOPED_TRACE(name);
    Trial<TypeParam> trial({shape_of(2, 2, 2, 37, 37, 48)});
    const TypeParam untouched = 0x4321;
    for (auto* tensor : {&trial.out, &trial.dq, &trial.dk, &trial.dv})
      std::fill(tensor->data.begin(), tensor->data.end(), untouched);
    trial.run(*set);
    for (const auto* row = trial.out.data.data(); row < &trial.out.data.back(); row += 4 * 48) {
      EXPECT_EQ(std::count(row, row + 48, untouched), 48);
      EXPECT_EQ(std::count(row + 3 * 48, row + 4 * 48, untouched), 48);
    }
    for (const auto* tensor : {&trial.dk, &trial.dv})
      EXPECT_EQ(std::count(tensor->data.begin(), tensor->data.end(), untouched), 2 * 37 * (96 + 3));
  }
}

// The gradients that the other tests compare with, checked by differences.
TYPED_TEST(Attention, DefinitionsGradientsAreItsDifferences) {
  static const float some = 0;
  Trial<TypeParam> trial({shape_of(1, 2, 1, 3, 4, 5, true), {&some, 0, 12, 4, 1}});
  trial.c.shape.cap = 2;
  Reference<TypeParam> reference(trial);
  const Dense weights = reference.of_queries(trial.dout);
  const auto loss = [&] {
    reference.forward();
    double sum = 0;
    for (size_t i = 0; i < weights.data.size(); ++i) sum += weights.data[i] * reference.out.data[i];
    return sum;
  };
  const auto check = [&](Dense& input, const Dense& gradients) {
    constexpr double kStep = 1e-5;
    for (size_t i = 0; i < input.data.size(); ++i) {
      const double x = input.data[i];
      input.data[i] = x + kStep;
      const double above = loss();
      input.data[i] = x - kStep;
      EXPECT_NEAR((above - loss()) / (2 * kStep), gradients.data[i], 1e-7);
      input.data[i] = x;
    }
  };
  check(reference.q, reference.dq);
  check(reference.k, reference.dk);
  check(reference.v, reference.dv);
}

}  // namespace
}  // namespace patina::kernels

#include "bench/ridge_scenario.h"

#include <cmath>
#include <limits>

#include "bench/stopwatch.h"
#include "patina/algebra/ridge.h"
#include "patina/base/random.h"
#include "patina/ops.h"

namespace patina::bench {

namespace {

constexpr int64_t kWidth = 768;  // of the features before projection
constexpr double kSpread = 3;    // standard deviation within a class, relative to that of the means
constexpr int kOurFits = 3;

struct Samples {
  Tensor features, targets;  // [n,m], [n]
};

Tensor normal(const Shape& shape, Random& random) {
  Tensor t = at::empty(shape);
  random.fill_normal(host_values(t));
  return t;
}

Samples projected_samples(int64_t n, int64_t m, int64_t classes) {
  Random random = Seeds(1)("ridge");
  const Tensor targets = at::arange(n) % classes;
  const Tensor means = normal({classes, kWidth}, random);
  const Tensor features = means.index_select(0, targets) + normal({n, kWidth}, random) * kSpread;
  return {at::matmul(features, normal({kWidth, m}, random)).relu_(), targets};
}

std::vector<double> powers_of_ten(int64_t count) {
  std::vector<double> grid;
  const int64_t middle = count / 2;
  for (int64_t i = 0; i < count; ++i) grid.push_back(std::pow(10.0, double(i - middle)));
  return grid;
}

struct Fit {
  double penalty = 0;
  Tensor weights;  // [m,classes]
};

Fit our_fit(const Samples& samples, int64_t classes, int64_t fitted,
            const std::vector<double>& grid) {
  const auto& [h, targets] = samples;
  RidgeStatistics ridge;
  ridge.add(h, targets, classes);
  const Tensor outputs = one_hot(targets, classes, at::kFloat);
  const double penalty = choose_penalty(
      grid, ridge.dual() ? RidgeTrial::dual(ridge.last_kernel(h.size(0)), outputs, fitted)
                         : RidgeTrial::primal(h, outputs, fitted));
  return {penalty, ridge.solve(penalty)};
}

// HᵀH and HᵀY in float, and the solution for one penalty.
class PlainRidge {
 public:
  PlainRidge(const Tensor& h, const Tensor& y)
      : gram_(at::matmul(h.t(), h)), products_(at::matmul(h.t(), y)) {}

  Tensor weights(double penalty) const {
    return at::linalg_solve(gram_ + penalty * at::eye(gram_.size(0)), products_);
  }

 private:
  Tensor gram_, products_;
};

}  // namespace

RidgeTimes time_ridge_fit(int64_t n, int64_t m, int64_t classes, int64_t penalties) {
  NoGrad no_grad;
  const Samples samples = projected_samples(n, m, classes);
  const Tensor &h = samples.features, y = one_hot(samples.targets, classes, at::kFloat);
  const int64_t fitted = n * 4 / 5;
  const std::vector<double> grid = powers_of_ten(penalties);

  RidgeTimes times;
  Fit ours;
  std::vector<double> our_times;
  const auto run_ours = [&] {
    our_times.push_back(seconds([&] { ours = our_fit(samples, classes, fitted, grid); }));
  };

  std::optional<PlainRidge> part, whole;
  times.direct += seconds([&] { part.emplace(h.slice(0, 0, fitted), y.slice(0, 0, fitted)); });
  double least = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < grid.size(); ++i) {
    if (i * kOurFits / grid.size() == our_times.size()) run_ours();
    times.direct += seconds([&] {
      const Tensor predicted = at::matmul(h.slice(0, fitted), part->weights(grid[i]));
      const double error = at::mse_loss(predicted, y.slice(0, fitted)).item<double>();
      if (error < least) least = error, times.direct_penalty = grid[i];
    });
  }
  part.reset();
  Tensor direct_weights;
  times.direct += seconds([&] {
    whole.emplace(h, y);
    direct_weights = whole->weights(times.direct_penalty);
  });

  times.ours = median(our_times);
  times.penalty = ours.penalty;
  const Tensor direct_scores = at::matmul(h, direct_weights);
  times.difference =
      ((at::matmul(h, ours.weights) - direct_scores).abs().max() / direct_scores.abs().max())
          .item<double>();
  return times;
}

}  // namespace patina::bench

#include "bench/fecam_scenario.h"

#include "bench/stopwatch.h"
#include "patina/algebra/gaussians.h"
#include "patina/base/random.h"
#include "patina/ops.h"

namespace patina::bench {

namespace {

constexpr int kRounds = 3;
constexpr double kShrinkage = 0.1;

Tensor normal(const Shape& shape, Random& random) {
  Tensor t = at::empty(shape);
  random.fill_normal(host_values(t));
  return t;
}

// Covariances of as many samples as dimensions, shrunk as in FeCAM.
std::vector<Moments> random_classes(int64_t dims, int64_t classes, Random& random) {
  std::vector<Moments> made;
  for (int64_t c = 0; c < classes; ++c) {
    made.push_back(moments(normal({dims, dims}, random)));
    made.back().covariance.diagonal().add_(kShrinkage);
  }
  return made;
}

Tensor direct_distances(const Tensor& x, const std::vector<Moments>& classes) {
  std::vector<Tensor> columns;
  for (const auto& [mean, covariance] : classes) {
    const Tensor u = x - mean.to(at::kFloat);
    const Tensor inverse = at::linalg_pinv(covariance.to(at::kFloat), false);
    columns.push_back(at::matmul(at::matmul(u, inverse), u.t()).diagonal());
  }
  return at::stack(columns, 1);
}

}  // namespace

FecamTimes time_fecam_scoring(int64_t samples, int64_t dims, int64_t classes) {
  NoGrad no_grad;
  Random random = Seeds(1)("fecam");
  const std::vector<Moments> gaussians = random_classes(dims, classes, random);
  const Tensor x = normal({samples, dims}, random);

  FecamTimes times;
  Mahalanobis ours;
  times.preparing = seconds([&] {
    for (const auto& [mean, covariance] : gaussians) ours.add(mean, covariance);
  });
  Tensor wanted, distances;
  std::vector<double> direct_times, our_times;
  for (int round = 0; round < kRounds; ++round) {
    direct_times.push_back(seconds([&] { wanted = direct_distances(x, gaussians); }));
    our_times.push_back(seconds([&] { distances = ours.squared_distances(x); }));
  }
  times.direct = median(direct_times);
  times.ours = median(our_times);
  times.difference = ((distances - wanted).abs().max() / wanted.abs().max()).item<double>();
  return times;
}

}  // namespace patina::bench

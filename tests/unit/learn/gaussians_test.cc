// Moments, distances and samples of one Gaussian per class, compared with plain formulas.
#include "patina/algebra/gaussians.h"

#include <gtest/gtest.h>

#include <limits>

#include "patina/algebra/prototypes.h"
#include "patina/checkpoint/archive.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

// A covariance far from the unit matrix, and a mean.
Moments random_moments(int64_t dims, uint64_t seed) {
  Moments m = moments(random_tensor({2 * dims, dims}, seed) *
                          (random_tensor({dims}, seed + 100).abs() + 0.2) +
                      random_tensor({dims}, seed + 200));
  return m;
}

template <class Part>
Part through_an_archive(Part& part) {
  const auto path = scratch_folder("gaussians") / "state";
  Archive save;
  save("part", part);
  save.write(path);
  Archive load = Archive::read(path);
  Part back;
  load("part", back);
  return back;
}

TEST(Moments, AreMeanAndCovarianceOfTheRows) {
  const Moments m = moments(at::cat({at::eye(2) * 2, at::full({1, 2}, 4.f)}));
  EXPECT_TRUE(at::equal(m.mean, at::full({2}, 2., at::kDouble)));
  const Tensor covariance = at::full({2, 2}, 2., at::kDouble) + 2 * at::eye(2, at::kDouble);
  EXPECT_LT(relative_error(m.covariance, covariance), 1e-15);
}

TEST(Moments, OfTwoSetsAreThoseOfAllRows) {
  const Tensor rows = random_tensor({9, 4}, 5);
  for (const int64_t n : {1, 3, 8}) {
    const auto both = united(moments(rows.slice(0, 0, n)), n, moments(rows.slice(0, n)), 9 - n);
    const auto wanted = moments(rows);
    EXPECT_TRUE(both.mean.allclose(wanted.mean, 1e-12, 1e-12)) << n;
    EXPECT_TRUE(both.covariance.allclose(wanted.covariance, 1e-12, 1e-12)) << n;
  }
}

TEST(Moments, OfOneRowHaveNoCovariance) {
  const Moments m = moments(random_tensor({1, 3}, 1));
  EXPECT_TRUE(at::equal(m.covariance, at::zeros({3, 3}, at::kDouble)));
}

// Widths below and above the block size of the triangle's product.
TEST(Mahalanobis, EqualsTheSolveWithTheCovariance) {
  for (const int64_t dims : {1, 24, 256, 300}) {
    Mahalanobis classes;
    const Tensor x = random_tensor({9, dims}, 7);
    std::vector<Tensor> expected;
    for (uint64_t c = 0; c < 3; ++c) {
      const Moments m = random_moments(dims, c);
      classes.add(m.mean, m.covariance);
      const Tensor factor = std::get<0>(at::linalg_cholesky_ex(m.covariance));
      const Tensor u = (x.to(at::kDouble) - m.mean).t();
      expected.push_back(at::linalg_solve_triangular(factor, u, false).square().sum(0));
    }
    const Tensor wanted = at::stack(expected, 1);
    const Tensor distances = classes.squared_distances(x);
    EXPECT_EQ(distances.scalar_type(), at::kFloat);
    EXPECT_LT(((distances - wanted).abs() / wanted).max().item<double>(), 1e-4) << dims;
    EXPECT_TRUE(at::equal(through_an_archive(classes).squared_distances(x), distances));
  }
}

// Widths below and above the block size, compared with one class at a time in double.
// By hand: (2·[1,2] + 1·[4,8]) / 3 = [2,4].
TEST(CountedMeans, AreWeightedByTheirCounts) {
  const auto row = [](std::vector<int64_t> items) { return tensor_of(items).to(at::kFloat); };
  CountedMeans means, other;
  means.add(row({1, 2}), 2);
  other.add(row({5, 7}), 3);
  other.add(row({4, 8}), 1);
  means.merge(other, {1, 0}, 2);
  EXPECT_TRUE(at::equal(means.means.flatten(), row({2, 4, 5, 7})));
  EXPECT_EQ(means.counts, (std::vector<int64_t>{3, 3}));
  means.remove(0);
  EXPECT_EQ(means.counts, (std::vector<int64_t>{3}));
  means.counts.clear();  // as of a file of an earlier version
  EXPECT_TRUE(contains(error_of(ErrorKind::state,
                                [&] {
                                  means.merge(other, {0, 1}, 2);
                                }),
                       "an earlier version"));
}

TEST(Gaussians, DrawMeansPlusFactorTimesNoise) {
  const std::vector<int64_t> counts = {2, 0, 3};
  for (const int64_t dims : {1, 5, 256, 300}) {
    Gaussians classes;
    Random random = Seeds(3)("draws"), same = Seeds(3)("draws");
    Tensor z = at::empty({5, dims});
    same.fill_normal(host_values(z));
    std::vector<Tensor> expected;
    int64_t first = 0;
    for (uint64_t c = 0; c < counts.size(); first += counts[c++]) {
      const Moments m = random_moments(dims, c);
      classes.add(m.mean, m.covariance);
      const Tensor factor = std::get<0>(at::linalg_cholesky_ex(m.covariance));
      const Tensor noise = z.slice(0, first, first + counts[c]).to(at::kDouble);
      expected.push_back(m.mean + at::matmul(noise, factor.t()));
    }
    const Tensor drawn = classes.sample(counts, random);
    EXPECT_LT(relative_error(drawn, at::cat(expected)), 1e-6) << dims;
    EXPECT_EQ(random.position(), same.position());
    Random again = Seeds(3)("draws");
    EXPECT_TRUE(at::equal(through_an_archive(classes).sample(counts, again), drawn)) << dims;
  }
}

TEST(Gaussians, DrawsHaveTheirMoments) {
  Gaussians classes;
  const Moments wanted = random_moments(4, 1);
  classes.add(wanted.mean, wanted.covariance);
  Random random = Seeds(1)("draws");
  const Moments drawn = moments(classes.sample(std::vector<int64_t>{20000}, random));
  EXPECT_LT(relative_error(drawn.mean, wanted.mean), 0.05);
  EXPECT_LT(relative_error(drawn.covariance, wanted.covariance), 0.05);
}

TEST(Gaussians, DrawNothingFromAClassWithoutACount) {
  Gaussians classes;
  for (uint64_t c = 0; c < 2; ++c) {
    const Moments m = random_moments(3, c);
    classes.add(m.mean, m.covariance);
  }
  Random random = Seeds(1)("draws");
  EXPECT_EQ(classes.sample(std::vector<int64_t>{0, 4}, random).sizes(), at::IntArrayRef({4, 3}));
}

TEST(Mahalanobis, WithoutAClassIsAsIfItHadNeverBeen) {
  Mahalanobis all, without;
  for (uint64_t c = 0; c < 3; ++c) {
    const Moments m = random_moments(24, c);
    all.add(m.mean, m.covariance);
    if (c != 1) without.add(m.mean, m.covariance);
  }
  all.remove(1);
  const Tensor x = random_tensor({9, 24}, 7);
  EXPECT_TRUE(at::equal(all.squared_distances(x), without.squared_distances(x)));
  EXPECT_THROW(all.remove(2), Error);
}

TEST(Gaussians, RefuseWhatHasNoFactor) {
  const Tensor mean = at::zeros({2}, at::kDouble);
  const std::string said =
      "a class's covariance over 2 dimensions is not positive definite: add shrinkage to its "
      "diagonal, and look for features that are not finite";
  Gaussians gaussians;
  Mahalanobis distances;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double diagonal : {-1., 0., nan}) {
    const Tensor covariance = at::eye(2, at::kDouble) * diagonal;
    EXPECT_EQ(error_of([&] { gaussians.add(mean, covariance); }), said);
    EXPECT_EQ(error_of([&] { distances.add(mean, covariance); }), said);
  }
  EXPECT_EQ(gaussians.classes() + distances.classes(), 0);
}

}  // namespace
}  // namespace patina

// Ridge regression: the primal form, the dual form and the path of penalties, compared with plain
// Gaussian elimination in double.
#include "patina/algebra/ridge.h"

#include <gtest/gtest.h>

#include <cmath>

#include "patina/algebra/linear_algebra.h"
#include "patina/checkpoint/archive.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix matrix(const Tensor& t) {
  Matrix rows(size_t(t.size(0)), std::vector<double>(size_t(t.size(1))));
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t j = 0; j < rows[i].size(); ++j)
      rows[i][j] = t[int64_t(i)][int64_t(j)].item<double>();
  return rows;
}

Tensor tensor(const Matrix& rows) {
  Tensor t = at::empty({int64_t(rows.size()), int64_t(rows[0].size())}, at::kDouble);
  for (size_t i = 0; i < rows.size(); ++i)
    for (size_t j = 0; j < rows[i].size(); ++j) t[int64_t(i)][int64_t(j)] = rows[i][j];
  return t;
}

// A⁻¹ B by elimination with pivots.
Matrix eliminated(Matrix a, const Matrix& b) {
  const size_t m = a.size(), k = b[0].size();
  for (size_t i = 0; i < m; ++i) a[i].insert(a[i].end(), b[i].begin(), b[i].end());
  for (size_t column = 0; column < m; ++column) {
    size_t pivot = column;
    for (size_t i = column; i < m; ++i)
      if (std::abs(a[i][column]) > std::abs(a[pivot][column])) pivot = i;
    std::swap(a[column], a[pivot]);
    for (size_t i = 0; i < m; ++i) {
      if (i == column) continue;
      const double factor = a[i][column] / a[column][column];
      for (size_t j = column; j < m + k; ++j) a[i][j] -= factor * a[column][j];
    }
  }
  Matrix x(m, std::vector<double>(k));
  for (size_t i = 0; i < m; ++i)
    for (size_t j = 0; j < k; ++j) x[i][j] = a[i][m + j] / a[i][i];
  return x;
}

// (HᵀH + λI)⁻¹ HᵀY with plain sums.
Tensor naive_ridge(const Tensor& features, const Tensor& outputs, double penalty) {
  const Matrix h = matrix(features), y = matrix(outputs);
  const size_t m = h[0].size(), k = y[0].size();
  Matrix gram(m, std::vector<double>(m)), products(m, std::vector<double>(k));
  for (size_t i = 0; i < m; ++i) {
    for (size_t s = 0; s < h.size(); ++s) {
      for (size_t j = 0; j < m; ++j) gram[i][j] += h[s][i] * h[s][j];
      for (size_t j = 0; j < k; ++j) products[i][j] += h[s][i] * y[s][j];
    }
    gram[i][i] += penalty;
  }
  return tensor(eliminated(gram, products));
}

Tensor targets_of(int64_t count, int64_t classes, int64_t first = 0) {
  std::vector<int64_t> items;
  for (int64_t i = 0; i < count; ++i) items.push_back(first + i * 7 % classes);
  return tensor_of(items);
}

// Of numbers whose sums are exact, the merged sums are those of all samples, bit for bit; in every
// pair of forms.
TEST(RidgeStatistics, MergedAreThoseOfAllSamples) {
  constexpr int64_t kDims = 6;
  for (const int64_t n : {2, 9})
    for (const int64_t m : {3, 8}) {
      const Tensor all = (random_tensor({n + m, kDims}, uint64_t(n * 100 + m)) * 8).round();
      const Tensor h = all.slice(0, 0, n), g = all.slice(0, n);
      const Tensor y = targets_of(n, 2), z = targets_of(m, 3);
      // Its classes 0, 1, 2 are 1, 3, 2 here.
      const Tensor known = tensor_of(std::vector<int64_t>{1, 3, 2}).index_select(0, z);
      RidgeStatistics whole, merged, other;
      whole.add(all, at::cat({y, known}), 4);
      merged.add(h, y, 2);
      other.add(g, z, 3);
      merged.merge(other, {1, 3, 2}, 4);
      EXPECT_EQ(merged.samples(), n + m);
      EXPECT_EQ(merged.dual(), n + m < kDims);
      EXPECT_TRUE(at::equal(merged.solve(0.5), whole.solve(0.5))) << n << " and " << m;
      RidgeStatistics empty;
      empty.merge(whole, {0, 1, 2, 3}, 4);
      EXPECT_TRUE(at::equal(empty.solve(0.5), whole.solve(0.5)));
    }
}

TEST(RidgeStatistics, EqualsTheNaiveSolutionInBothForms) {
  for (const int64_t samples : {5, 11, 12, 13, 40}) {
    const Tensor h = random_tensor({samples, 12}, uint64_t(samples)), y = targets_of(samples, 3);
    RidgeStatistics ridge;
    ridge.add(h, y, 3);
    EXPECT_EQ(ridge.dual(), samples < 12);
    EXPECT_EQ(ridge.samples(), samples);
    for (const double penalty : {1e-2, 1., 100.}) {
      const Tensor w = ridge.solve(penalty);
      EXPECT_EQ(w.scalar_type(), at::kFloat);
      EXPECT_LT(relative_error(w, naive_ridge(h, one_hot(y, 3, at::kDouble), penalty)), 1e-6)
          << samples << " " << penalty;
    }
  }
}

// Classes arrive two at a time. With the third addition the samples outnumber the dimensions.
TEST(RidgeStatistics, SumsOverTasksAcrossTheChangeOfForm) {
  RidgeStatistics ridge;
  std::vector<Tensor> features, targets;
  for (int64_t task = 0; task < 5; ++task) {
    features.push_back(random_tensor({6, 16}, uint64_t(task)));
    targets.push_back(targets_of(6, 2, 2 * task));
    const int64_t classes = 2 * task + 2;
    ridge.add(features.back(), targets.back(), classes);
    EXPECT_EQ(ridge.dual(), task < 2);
    const Tensor expected =
        naive_ridge(at::cat(features), one_hot(at::cat(targets), classes, at::kDouble), 0.5);
    EXPECT_LT(relative_error(ridge.solve(0.5), expected), 1e-6) << task;
  }
  EXPECT_EQ(ridge.samples(), 30);
}

// ReLU features as in RanPAC: positive, with one large eigenvalue.
Tensor relu_features(int64_t samples, int64_t dims) {
  return at::matmul(random_tensor({samples, 40}, 1), random_tensor({40, dims}, 2)).relu_();
}

// The dual weights entirely in double, by elimination on the products between samples.
Tensor exact_dual(const Tensor& features, const Tensor& outputs, double penalty) {
  const Tensor h = features.to(at::kDouble);
  const Tensor gram = at::matmul(h, h.t()) + penalty * at::eye(h.size(0), at::kDouble);
  return at::matmul(h.t(), tensor(eliminated(matrix(gram), matrix(outputs))));
}

// The kernel is float; the weights have more correct digits than it.
TEST(RidgeStatistics, RefinesTheDualWeightsBeyondItsKernel) {
  const Tensor h = relu_features(120, 600), y = targets_of(120, 5);
  RidgeStatistics ridge;
  ridge.add(h.slice(0, 0, 50), y.slice(0, 0, 50), 5);
  ridge.add(h.slice(0, 50), y.slice(0, 50), 6);  // a sixth class without samples
  ASSERT_TRUE(ridge.dual());
  for (const double penalty : {1e-8, 1e-3, 1., 1e3, 1e8}) {
    const Tensor w = ridge.solve(penalty).to(at::kDouble);
    const Tensor wanted = exact_dual(h, one_hot(y, 6, at::kDouble), penalty);
    EXPECT_LT((w - wanted).norm().item<double>(), 3e-7 * wanted.norm().item<double>()) << penalty;
  }
}

// Equal samples and a tiny penalty: the float kernel has no Cholesky factor, or a useless one, so
// the solution in double is used.
TEST(RidgeStatistics, SolvesDualFormsThatFloatCannot) {
  const Tensor h = relu_features(40, 300), y = targets_of(40, 2);
  const Tensor twice = at::cat({h, h, h}), labels = at::cat({y, y, y});
  RidgeStatistics ridge;
  ridge.add(twice, labels, 2);
  for (const double penalty : {1e-8, 1e-4}) {
    const Tensor scores = at::matmul(twice, ridge.solve(penalty));
    EXPECT_LT(relative_error(scores, one_hot(labels, 2, at::kDouble)), 1e-3) << penalty;
  }
}

TEST(RidgeStatistics, ContinuesFromAnArchive) {
  for (const int64_t samples : {5, 20}) {
    RidgeStatistics ridge, back;
    ridge.add(random_tensor({samples, 8}, 1), targets_of(samples, 2), 2);
    const auto path = scratch_folder("ridge") / "state";
    Archive save;
    save("ridge", ridge);
    save.write(path);
    Archive load = Archive::read(path);
    load("ridge", back);
    for (auto* each : {&ridge, &back}) each->add(random_tensor({9, 8}, 2), targets_of(9, 2, 2), 4);
    EXPECT_TRUE(at::equal(back.solve(0.1), ridge.solve(0.1)));
  }
}

TEST(RidgeStatistics, SolvesWhatCholeskyCannot) {
  RidgeStatistics ridge;
  const Tensor h = at::ones({20, 4}) * 1e4;  // rank one: HᵀH + 1e-8 I rounds to a singular matrix
  ridge.add(h, targets_of(20, 2), 2);
  const Tensor scores = at::matmul(h, ridge.solve(1e-8));
  EXPECT_LT(relative_error(scores, at::full({20, 2}, 0.5)), 1e-3);
}

// Samples of a toy stream: duplicates of the first one, a class with a single sample, ReLU zeros.
struct Toy {
  Tensor features, targets;  // [n,M], [n]
};

Toy toy(int64_t samples, int64_t dims, uint64_t seed) {
  const Tensor h = random_tensor({samples, dims}, seed).clamp_min(0), y = targets_of(samples, 3);
  h[1].copy_(h[0]);
  h[2].copy_(h[0]);
  for (const int64_t i : {1, 2}) y[i] = y[0];
  y[3] = 3;
  return {h, y};
}

// The order in which tasks arrive changes neither the weights nor when the form changes.
TEST(RidgeStatistics, GivesTheSameWeightsForTasksInAnyOrder) {
  for (const int64_t dims : {10, 24, 25, 40}) {
    std::vector<Toy> tasks;
    for (uint64_t task = 0; task < 3; ++task) tasks.push_back(toy(8, dims, task));
    for (const std::vector<size_t>& order : {std::vector<size_t>{0, 1, 2}, {2, 0, 1}, {1, 2, 0}}) {
      RidgeStatistics ridge;
      std::vector<Tensor> features, targets;
      for (const size_t task : order) {
        ridge.add(tasks[task].features, tasks[task].targets, 4);
        features.push_back(tasks[task].features);
        targets.push_back(tasks[task].targets);
      }
      EXPECT_EQ(ridge.dual(), dims > 24);
      for (const double penalty : {1e-3, 1., 1e5}) {
        const Tensor expected =
            naive_ridge(at::cat(features), one_hot(at::cat(targets), 4, at::kDouble), penalty);
        EXPECT_LT((ridge.solve(penalty).to(at::kDouble) - expected).norm().item<double>(),
                  1e-6 * expected.norm().item<double>())
            << dims << " " << penalty;
      }
    }
  }
}

TEST(RidgeStatistics, RemembersTheProductsOfTheLastSamples) {
  RidgeStatistics ridge;
  ridge.add(random_tensor({5, 30}, 1), targets_of(5, 2), 2);
  const Tensor last = random_tensor({7, 30}, 2), h = last.to(at::kDouble);
  ridge.add(last, targets_of(7, 2), 2);
  EXPECT_LT(relative_error(ridge.last_kernel(7), at::matmul(h, h.t())), 1e-6);
}

std::vector<double> whole_grid() {
  std::vector<double> grid;
  for (int power = -8; power <= 8; ++power) grid.push_back(std::pow(10.0, power));
  return grid;
}

RidgeTrial dual_trial(const Tensor& h, const Tensor& y, int64_t fitted) {
  const Tensor rows = h.to(at::kDouble);
  return RidgeTrial::dual(at::matmul(rows, rows.t()), y, fitted);
}

Tensor naive_prediction(const Tensor& h, const Tensor& y, int64_t fitted, double penalty) {
  return at::matmul(h.slice(0, fitted).to(at::kDouble),
                    naive_ridge(h.slice(0, 0, fitted), y.slice(0, 0, fitted), penalty));
}

TEST(RidgeTrial, PredictsAsTheDirectSolutionAtEveryPenaltyInBothForms) {
  for (const int64_t fitted : {7, 10, 30}) {
    const Tensor h = random_tensor({fitted + 5, 10}, uint64_t(fitted)),
                 y = random_tensor({fitted + 5, 3}, 4);
    const RidgeTrial dual = dual_trial(h, y, fitted), primal = RidgeTrial::primal(h, y, fitted);
    for (const double penalty : {1e-3, 0.1, 1., 1e4}) {
      const Tensor expected = naive_prediction(h, y, fitted, penalty);
      for (const RidgeTrial* trial : {&dual, &primal})
        EXPECT_LT(relative_error(trial->predict(penalty).value(), expected), 1e-8)
            << fitted << " " << penalty;
    }
  }
}

// The penalty that seventeen direct solutions select, and how they rank the others.
void expect_the_naive_choice(const Tensor& h, const Tensor& y, int64_t fitted) {
  const RidgeTrial dual = dual_trial(h, y, fitted), primal = RidgeTrial::primal(h, y, fitted);
  const RidgeTrial& cheaper = fitted < h.size(1) ? dual : primal;
  double best = 0, least = std::numeric_limits<double>::infinity();
  for (const double penalty : whole_grid()) {
    const double error = (naive_prediction(h, y, fitted, penalty) - y.slice(0, fitted))
                             .square()
                             .mean()
                             .item<double>();
    // Below this the direct solution itself has lost six digits where HᵀH is singular.
    if (penalty > 1e-6 || fitted > h.size(1)) {
      EXPECT_NEAR(cheaper.error(penalty), error, 1e-6 * error) << penalty;
    }
    if (error < least) least = error, best = penalty;
  }
  EXPECT_EQ(choose_penalty(whole_grid(), cheaper), best);
}

TEST(ChoosePenalty, EqualsSeventeenNaiveSolutions) {
  std::vector<double> chosen;
  for (const double noise : {0.01, 1., 30.}) {
    const Tensor truth = random_tensor({8, 2}, 1), h = random_tensor({30, 8}, 2);
    const Tensor y = at::matmul(h, truth) + random_tensor({30, 2}, 4) * noise;
    expect_the_naive_choice(h, y, 20);
    chosen.push_back(choose_penalty(whole_grid(), RidgeTrial::primal(h, y, 20)));
  }
  EXPECT_LT(chosen.front(), chosen.back());
}

TEST(ChoosePenalty, EqualsSeventeenNaiveSolutionsWithDuplicatesAndAClassOfOne) {
  for (const int64_t dims : {8, 23, 24, 25, 60}) {
    const Toy samples = toy(30, dims, uint64_t(dims));
    expect_the_naive_choice(samples.features, one_hot(samples.targets, 4, at::kFloat), 24);
  }
}

// RanPAC selects the same penalty with its float kernel as in double, and no error of the grid
// differs from double's by more than this.
TEST(ChoosePenalty, FromAFloatKernelEqualsDouble) {
  std::vector<double> chosen;
  for (const double noise : {0.01, 3.}) {
    const Tensor h = relu_features(300, 1000);
    const Tensor y =
        at::matmul(h, random_tensor({1000, 3}, 3)) / 100 + noise * random_tensor({300, 3}, 4);
    const RidgeTrial exact = RidgeTrial::dual(symmetric_product(h), y, 240);
    const RidgeTrial trial = RidgeTrial::dual(symmetric_product(h, at::kFloat), y, 240);
    for (const double penalty : whole_grid()) {
      const double wanted = exact.error(penalty);
      EXPECT_NEAR(trial.error(penalty), wanted, 1e-3 * wanted) << penalty;
    }
    chosen.push_back(choose_penalty(whole_grid(), trial));
    EXPECT_EQ(chosen.back(), choose_penalty(whole_grid(), exact));
  }
  EXPECT_LT(chosen.front(), chosen.back());
}

TEST(RidgeTrial, PredictsNothingBelowRounding) {
  const Tensor gram = at::ones({4, 4}, at::kDouble) * 1e12;
  gram[1][1] -= 1;
  const RidgeTrial trial = RidgeTrial::dual(gram, at::ones({4, 1}), 3);
  EXPECT_FALSE(trial.predict(1e-8).has_value());
  EXPECT_EQ(trial.error(1e-8), std::numeric_limits<double>::infinity());
  EXPECT_EQ(choose_penalty({1e-8, 1e6}, trial), 1e6);
}

}  // namespace
}  // namespace patina

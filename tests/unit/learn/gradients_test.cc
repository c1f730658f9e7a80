// Gradients as vectors: GEM's dual problem by its optimality conditions, projections by their
// guarantees, and an optimizer whose tensors grow.
#include "patina/optim/gradients.h"

#include <gtest/gtest.h>

#include "patina/ops.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

Tensor normal(const Shape& shape, uint64_t seed) {
  Random random = Seeds(seed)("normal");
  Tensor t = at::empty(shape);
  nn::init_normal(t, random, 0, 1);
  return t;
}

TEST(SolveBounded, MeetsTheConditionsOfOptimality) {
  for (const int64_t n : {1, 2, 5, 19})
    for (const double margin : {0.0, 0.5}) {
      const Tensor g = normal({n, 3 * n}, uint64_t(n)).to(at::kDouble);
      const Tensor p = g.mm(g.t()) + at::eye(n, at::kDouble) * 1e-3;
      const Tensor q = normal({n}, uint64_t(n) + 50).to(at::kDouble) * 3;
      const Tensor v = solve_bounded(p, q, margin), slope = p.mv(v) + q;
      for (int64_t i = 0; i < n; ++i) {
        const double x = v[i].item<double>(), s = slope[i].item<double>();
        EXPECT_GE(x, margin);
        if (x > margin + 1e-9) {
          EXPECT_NEAR(s, 0, 1e-7);
        } else {
          EXPECT_GE(s, -1e-7);
        }
      }
    }
}

// Tasks whose gradients are nearly equal: condition numbers above 1e6.
TEST(SolveBounded, MeetsThemForNearlyEqualRows) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    const Tensor one = normal({1, 60}, seed).to(at::kDouble) * 4;
    const Tensor rows = one + normal({20, 60}, seed + 30).to(at::kDouble) * 1e-3;
    const Tensor p = rows.mm(rows.t()) + at::eye(20, at::kDouble) * 1e-3;
    const Tensor q = rows.mv(-one[0] + normal({60}, seed + 60).to(at::kDouble));
    const Tensor v = solve_bounded(p, q, 0), slope = p.mv(v) + q;
    const double scale = q.abs().max().item<double>();
    EXPECT_GT(v.max().item<double>(), 0) << seed;
    for (int64_t i = 0; i < 20; ++i) {
      const double x = v[i].item<double>(), s = slope[i].item<double>() / scale;
      EXPECT_GE(x, 0);
      if (x > 0) {
        EXPECT_NEAR(s, 0, 1e-8) << seed;
      } else {
        EXPECT_GE(s, -1e-8) << seed;
      }
    }
  }
}

TEST(ProjectGem, GoesAgainstNoEarlierTask) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const Tensor g = normal({40}, seed), past = normal({6, 40}, seed + 100);
    const Tensor projected = project_gem(g, past, 0);
    const double least = past.mv(projected).min().item<double>();
    if (past.mv(g).min().item<double>() >= 0) {
      EXPECT_TRUE(at::equal(projected, g));
      continue;
    }
    // The tolerance covers the small diagonal that is added to the dual problem.
    EXPECT_GE(least, -0.02);
    // The projection is nearer to g than zero is, which also satisfies the constraints.
    EXPECT_LT((projected - g).norm().item<double>(), g.norm().item<double>());
  }
  // One earlier task with a nearly opposite gradient: the projection is orthogonal to that task's.
  const Tensor past = normal({1, 40}, 7);
  const Tensor left = project_gem(-past[0] + normal({40}, 8) * 0.1, past, 0);
  EXPECT_NEAR((past.mv(left) / past.square().sum()).item<double>(), 0, 1e-3);
}

TEST(ProjectAGem, RemovesOnlyWhatGoesAgainstTheReference) {
  const Tensor past = normal({30}, 1);
  Tensor g = normal({30}, 2);
  if (g.dot(past).item<double>() > 0) g = -g;
  const Tensor projected = project_agem(g, past);
  EXPECT_NEAR(projected.dot(past).item<double>(), 0, 1e-4);
  EXPECT_TRUE(at::equal(project_agem(-g, past), -g));
}

TEST(Gradients, OfALossLeaveThoseHeldAlone) {
  std::vector<Tensor> tensors = {normal({3, 2}, 1).requires_grad_(true),
                                 normal({4}, 2).requires_grad_(true)};
  tensors[0].sum().backward();
  const Tensor flat = gradients_of(tensors[1].square().sum(), tensors);
  EXPECT_TRUE(at::equal(tensors[0].grad(), at::ones({3, 2})));
  EXPECT_FALSE(tensors[1].grad().defined());
  EXPECT_TRUE(at::equal(flat, at::cat({at::zeros({6}), 2 * tensors[1].detach()})));
  set_gradients(tensors, flat);
  EXPECT_TRUE(at::equal(flat_gradients(tensors), flat));
}

// A head that grows during training: its old rows change like those of a head that never grew.
TEST(Optimizer, KeepsWhatItKnowsOfATensorThatGrows) {
  for (const char* kind : {"sgd", "adam", "adamw"}) {
    const OptimizerOptions options{.optimizer = kind, .amsgrad = true, .weight_decay = 0.01};
    const auto step = [&](Optimizer& optimizer, const Tensor& head, const Tensor& other,
                          uint64_t i) {
      optimizer.zero_grad();
      ((head.slice(0, 0, 2) * normal({2, 3}, i)).sum() + (other * normal({5}, i + 70)).sum())
          .backward();
      optimizer.step(0.1);
    };
    const auto fresh = [] {
      return std::pair(normal({2, 3}, 40).requires_grad_(true),
                       normal({5}, 41).requires_grad_(true));
    };
    auto [head, other] = fresh();
    Optimizer whole(options, {{.tensors = {other, head}}});
    auto [growing, beside] = fresh();
    Optimizer grown(options, {{.tensors = {beside, growing}}});
    for (uint64_t i = 0; i < 3; ++i) {
      step(whole, head, other, i);
      step(grown, growing, beside, i);
    }
    growing = at::cat({growing.detach(), at::zeros({2, 3})}).requires_grad_(true);
    grown.regroup({{.tensors = {beside, growing}}});
    for (uint64_t i = 3; i < 6; ++i) {
      step(whole, head, other, i);
      step(grown, growing, beside, i);
    }
    EXPECT_LT(relative_error(growing.detach().slice(0, 0, 2), head.detach()), 1e-6) << kind;
    EXPECT_TRUE(at::equal(beside, other)) << kind;
  }
}

// The state of a tensor is not used for another tensor that takes its place.
TEST(Optimizer, BeginsAnewWithATensorOfTheSameShape) {
  const Tensor first = normal({3, 2}, 1).requires_grad_(true);
  const Tensor fresh = normal({3, 2}, 2).requires_grad_(true);
  Optimizer optimizer({.optimizer = "adam"}, {{.tensors = {first}}});
  for (int i = 0; i < 5; ++i) {
    first.mutable_grad() = normal({3, 2}, uint64_t(i) + 10);
    optimizer.step(0.01);
  }
  optimizer.regroup({{.tensors = {fresh}}});
  const Tensor before = fresh.detach().clone(), g = normal({3, 2}, 20);
  fresh.mutable_grad() = g;
  optimizer.step(0.01);
  EXPECT_LT(relative_error(fresh.detach(), before - g.sign() * 0.01), 1e-5);
}

}  // namespace
}  // namespace patina

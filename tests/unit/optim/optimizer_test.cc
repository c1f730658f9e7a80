// Optimizers compared with their formulas in double, schedules with closed forms; a restored state
// continues with the same bits.
#include "patina/optim/optimizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

constexpr double kGradients[] = {0.5, -0.25, 2, 0.125};

/// The value of one parameter that starts at 1, after each of the gradients at rate 0.1.
std::vector<double> steps(const OptimizerOptions& options, double lr_factor = 1,
                          double decay_factor = 1) {
  Tensor p = at::ones({1}).requires_grad_(true);
  Optimizer optimizer(options, {{{p}, lr_factor, decay_factor}});
  std::vector<double> values;
  for (const double gradient : kGradients) {
    optimizer.zero_grad();
    EXPECT_FALSE(p.grad().defined());
    p.mutable_grad() = at::full({1}, gradient);
    optimizer.step(0.1);
    values.push_back(p.item<double>());
  }
  return values;
}

void expect_near(const std::vector<double>& actual, const std::vector<double>& expected) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_NEAR(actual[i], expected[i], 2e-6) << "step " << i;
}

TEST(Sgd, FollowsItsFormula) {
  for (const bool nesterov : {false, true}) {
    std::vector<double> expected;
    double p = 1, v = 0;
    for (const double gradient : kGradients) {
      const double g = gradient + 0.1 * p;
      v = 0.9 * v + g;  // the first step uses g itself, not 0.9 * 0 + g
      p -= 0.1 * (nesterov ? g + 0.9 * v : v);
      expected.push_back(p);
    }
    expect_near(steps({.momentum = 0.9, .nesterov = nesterov, .weight_decay = 0.1}), expected);
  }
  expect_near(steps({.momentum = 0}), {0.95, 0.975, 0.775, 0.7625});
}

TEST(Adam, FollowsItsFormula) {
  for (const std::string name : {"adam", "adamw"}) {
    std::vector<double> expected;
    double p = 1, m = 0, v = 0, step = 0;
    for (double g : kGradients) {
      ++step;
      if (name == "adam")
        g += 0.3 * p;
      else
        p -= 0.1 * 0.3 * p;
      m = 0.8 * m + 0.2 * g;
      v = 0.95 * v + 0.05 * g * g;
      p -= 0.1 * (m / (1 - std::pow(0.8, step))) /
           (std::sqrt(v / (1 - std::pow(0.95, step))) + 1e-8);
      expected.push_back(p);
    }
    expect_near(steps({.optimizer = name, .beta1 = 0.8, .beta2 = 0.95, .weight_decay = 0.3}),
                expected);
  }
}

TEST(Adam, DividesByTheLargestMomentSoFar) {
  std::vector<double> expected;
  double p = 1, m = 0, v = 0, largest = 0, step = 0;
  for (const double g : kGradients) {
    ++step;
    m = 0.9 * m + 0.1 * g;
    v = 0.5 * v + 0.5 * g * g;
    largest = std::max(largest, v);
    p -= 0.1 * (m / (1 - std::pow(0.9, step))) /
         (std::sqrt(largest / (1 - std::pow(0.5, step))) + 1e-8);
    expected.push_back(p);
  }
  expect_near(steps({.optimizer = "adam", .beta2 = 0.5, .amsgrad = true}), expected);
  EXPECT_LT(v, largest);  // the last gradient is small: plain Adam would make a larger step
}

// A tensor that stays continues. A tensor in the place of another begins without moments, but with
// the group's step count for bias correction, like rows of one table of which each task trains its
// own.
TEST(Optimizer, ReplacesTensorsByThoseWithoutMoments) {
  const OptimizerOptions adam{.optimizer = "adam", .beta2 = 0.5, .amsgrad = true};
  Tensor stays = at::ones({1}).requires_grad_(true), table = at::ones({2}).requires_grad_(true);
  Tensor whole = at::ones({1}).requires_grad_(true), first = at::ones({1}).requires_grad_(true),
         second = at::ones({1}).requires_grad_(true);
  Optimizer one(adam, {{{stays, table}}}), by_row(adam, {{{whole, first}}});
  for (int step = 0; step < 4; ++step) {
    if (step == 2) by_row.replace({{{second, whole}}});
    const float gradient = float(kGradients[step]);
    stays.mutable_grad() = float_tensor({gradient});
    whole.mutable_grad() = float_tensor({gradient});
    table.mutable_grad() = step < 2 ? float_tensor({gradient, 0}) : float_tensor({0, gradient});
    (step < 2 ? first : second).mutable_grad() = float_tensor({gradient});
    one.step(0.1);
    by_row.step(0.1);
    if (step == 1) {
      EXPECT_FLOAT_EQ(first.item<float>(), table[0].item<float>());
    }
  }
  EXPECT_FLOAT_EQ(whole.item<float>(), stays.item<float>());
  EXPECT_FLOAT_EQ(second.item<float>(), table[1].item<float>());
  EXPECT_NE(second.item<float>(), 1);
}

TEST(ParamGroup, FactorsMultiplyTheOptions) {
  expect_near(steps({.momentum = 0, .weight_decay = 0.5}, 2, 0), {0.9, 0.95, 0.55, 0.525});
  // 1 - 0.1 (0.5 + 0.25) and on
  double p = 1;
  std::vector<double> expected;
  for (const double g : kGradients) expected.push_back(p -= 0.1 * (g + 0.25 * p));
  expect_near(steps({.momentum = 0, .weight_decay = 0.5}, 1, 0.5), expected);
}

TEST(Clipping, ScalesToTheLimit) {
  Tensor a = at::zeros({1}).requires_grad_(true), b = at::zeros({2}).requires_grad_(true),
         unused = at::zeros({1}).requires_grad_(true);
  a.mutable_grad() = float_tensor({3});
  b.mutable_grad() = float_tensor({0, 4});
  EXPECT_DOUBLE_EQ(clip_gradients({a, b, unused}, 10), 5);
  EXPECT_EQ(a.grad().item<float>(), 3);
  EXPECT_DOUBLE_EQ(clip_gradients({a, b, unused}, 2.5), 5);
  EXPECT_NEAR(a.grad().item<float>(), 1.5, 1e-6);
  EXPECT_NEAR(b.grad()[1].item<float>(), 2, 1e-6);
  EXPECT_FALSE(unused.grad().defined());

  Tensor p = at::zeros({1}).requires_grad_(true);
  Optimizer optimizer({.momentum = 0, .clip_norm = 1}, {{{p}}});
  p.mutable_grad() = float_tensor({8});
  optimizer.step(0.5);
  EXPECT_NEAR(p.item<float>(), -0.5, 1e-6);
}

TEST(Schedule, FollowsItsClosedForm) {
  const OptimizerOptions cosine{.lr = 0.4, .schedule = "cosine", .min_lr = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate(cosine, 0, 10), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate(cosine, 0.99, 10), 0.4);
  EXPECT_NEAR(learning_rate(cosine, 5.5, 10), 0.25, 1e-15);
  EXPECT_NEAR(learning_rate(cosine, 9.9, 10), 0.1 + 0.15 * (1 + std::cos(0.9 * std::numbers::pi)),
              1e-15);

  const OptimizerOptions step{.lr = 1, .schedule = "step", .milestones = {2, 4}, .gamma = 0.5};
  for (const auto& [epoch, lr] : {std::pair{0., 1.}, {1.99, 1.}, {2., 0.5}, {3.5, 0.5}, {4., 0.25}})
    EXPECT_DOUBLE_EQ(learning_rate(step, epoch, 6), lr) << epoch;

  const OptimizerOptions quarter{.lr = 0.2, .schedule = "quarter_cosine"};
  EXPECT_DOUBLE_EQ(learning_rate(quarter, 0.5, 21), 0.2);
  EXPECT_NEAR(learning_rate(quarter, 11.9, 21), 0.2 * std::cos(99 * std::numbers::pi / 400), 1e-15);
  EXPECT_DOUBLE_EQ(learning_rate(quarter, 0.5, 1), 0.2);
  // As in CODA-Prompt's code: the first two epochs are at the full rate.
  const double factors[] = {1, 1, 0.952, 0.813, 0.595, 0.321};
  for (int epoch = 0; epoch < 6; ++epoch)
    EXPECT_NEAR(learning_rate(quarter, epoch, 6) / 0.2, factors[epoch], 5e-4) << epoch;

  EXPECT_DOUBLE_EQ(learning_rate({.lr = 0.3, .schedule = "constant"}, 7.5, 8), 0.3);
}

TEST(Schedule, WarmsUp) {
  OptimizerOptions options{.lr = 2, .schedule = "constant", .warmup_epochs = 4};
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 10), 0.02);
  EXPECT_DOUBLE_EQ(learning_rate(options, 1, 10), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 3.5, 10), 1.75);
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, 10), 2);
}

// VPT's schedule: 2, then half of it after three of the six epochs that follow the warm-up.
TEST(Schedule, CosineBeginsWhenTheWarmUpEnds) {
  const OptimizerOptions options{.lr = 2, .schedule = "cosine", .warmup_epochs = 4};
  EXPECT_DOUBLE_EQ(learning_rate(options, 2, 10), 1);
  EXPECT_DOUBLE_EQ(learning_rate(options, 4, 10), 2);
  EXPECT_NEAR(learning_rate(options, 6, 10), 1.5, 1e-12);  // 1 + cos(pi/3)
  EXPECT_NEAR(learning_rate(options, 7.5, 10), 1, 1e-12);
  EXPECT_NEAR(learning_rate(options, 8, 10), 0.5, 1e-12);
}

// CosineAnnealingLR takes every group from its own rate to the same eta_min: a group of 0.1 lr goes
// from 0.04 to 0.1 here, while the options' rate falls from 0.4 to 0.1.
TEST(Schedule, NoFactorOfAGroupMovesWhereTheCosineEnds) {
  OptimizerOptions cosine{.lr = 0.4, .momentum = 0, .schedule = "cosine", .min_lr = 0.1};
  const auto moved = [&](double epoch, double factor) {
    Tensor p = at::zeros({1}).requires_grad_(true);
    Optimizer optimizer(cosine, {{{p}, factor}});
    p.mutable_grad() = at::ones({1});
    optimizer.step(learning_rate(cosine, epoch, 4), unscaled_rate(cosine, epoch, 4));
    return -p.item<double>();
  };
  EXPECT_NEAR(moved(0, 1), 0.4, 1e-7);
  EXPECT_NEAR(moved(2, 1), 0.25, 1e-7);
  EXPECT_NEAR(moved(0, 0.1), 0.04, 1e-7);
  EXPECT_NEAR(moved(2, 0.1), 0.07, 1e-7);
  EXPECT_NEAR(moved(4, 0.1), 0.1, 1e-7);
  EXPECT_NEAR(moved(4, 1), 0.1, 1e-7);
  cosine.warmup_epochs = 2;
  EXPECT_NEAR(moved(1, 0.1), 0.02, 1e-7);
  cosine.schedule = "constant";
  EXPECT_NEAR(moved(3, 0.1), 0.04, 1e-7);
}

Tensor tensor_from(const Json& values, const Json& shape) {
  const auto numbers = values.get<std::vector<float>>();
  Tensor t = at::empty(shape.get<std::vector<int64_t>>());
  std::ranges::copy(numbers, t.data_ptr<float>());
  return t;
}

double half_cosine(double part) {
  return (1 + std::cos(std::numbers::pi * part)) / 2;
}

// The rate rises again in every task, and falls with every step.
TEST(Schedule, RewarmsAndDecaysAgain) {
  const OptimizerOptions options{
      .lr = 1, .schedule = "rewarm_cosine", .min_lr = 0.1, .warmup_epochs = 0.5};
  for (const int64_t task : {0, 3}) {
    EXPECT_DOUBLE_EQ(learning_rate(options, 0, 2, task), 0.01);
    EXPECT_DOUBLE_EQ(learning_rate(options, 0.25, 2, task), 0.5);
    EXPECT_DOUBLE_EQ(learning_rate(options, 0.5, 2, task), 1);
    EXPECT_NEAR(learning_rate(options, 0.75, 2, task), 0.9397114317029974, 1e-12);
    EXPECT_NEAR(learning_rate(options, 1, 2, task), 0.1 + 0.9 * 0.75, 1e-12);  // 1 + cos(pi/3)
    EXPECT_NEAR(learning_rate(options, 1.25, 2, task), 0.55, 1e-12);
    EXPECT_NEAR(learning_rate(options, 2, 2, task), 0.1, 1e-12);
  }
}

// Ceilings of TiC-LM's rounds, by their definition: one cosine of (i+1) S steps, of which (i+1) w
// are warm-up, at step i S + w.
TEST(Schedule, CeilingsFallFromRoundToRound) {
  const OptimizerOptions options{
      .lr = 1, .schedule = "falling_cosine", .min_lr = 0.1, .warmup_epochs = 0.5};
  constexpr double kSteps = 200, kWarm = 50;  // of two epochs
  for (int64_t round = 0; round < 5; ++round) {
    const double i = double(round);
    const double part =
        (i * kSteps + kWarm - (i + 1) * kWarm) / ((i + 1) * kSteps - (i + 1) * kWarm);
    const double ceiling = 0.1 + 0.9 * half_cosine(part);
    EXPECT_NEAR(learning_rate(options, 0.5, 2, round), ceiling, 1e-12) << round;
    EXPECT_NEAR(learning_rate(options, 0.25, 2, round), ceiling / 2, 1e-12) << round;
    EXPECT_NEAR(learning_rate(options, 1.25, 2, round), (ceiling + 0.1) / 2, 1e-12) << round;
    EXPECT_NEAR(learning_rate(options, 2, 2, round), 0.1, 1e-12) << round;
  }
  // 1, a half, a quarter of the way down to min_lr.
  EXPECT_DOUBLE_EQ(learning_rate(options, 0.5, 2, 0), 1);
  EXPECT_NEAR(learning_rate(options, 0.5, 2, 1), 0.55, 1e-12);
  EXPECT_NEAR(learning_rate(options, 0.5, 2, 2), 0.325, 1e-12);
}

TEST(Schedule, NoFactorOfAGroupMovesWhereARoundEnds) {
  for (const std::string name : {"rewarm_cosine", "falling_cosine"}) {
    const OptimizerOptions options{.lr = 1, .schedule = name, .min_lr = 0.1, .warmup_epochs = 0.5};
    const double ceiling = name == "rewarm_cosine" ? 1 : 0.325;
    // Of a group with factor 0 the part that is left is min_lr's.
    EXPECT_NEAR(unscaled_rate(options, 2, 2, 2), 0.1, 1e-12) << name;
    const double at_top = 0.1 * (1 - (ceiling - 0.1) / 0.9);
    EXPECT_NEAR(unscaled_rate(options, 0.5, 2, 2), at_top, 1e-12) << name;
    EXPECT_NEAR(unscaled_rate(options, 0.25, 2, 2), at_top / 2, 1e-12) << name;
  }
}

TEST(Schedule, GoesOnForeverAndAnnealsWhenAsked) {
  OptimizerOptions options{.lr = 1,
                           .schedule = "infinite",
                           .min_lr = 0.01,
                           .warmup_epochs = 0.5,
                           .cooldown_epochs = 1,
                           .constant_lr = 0.25};
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1, 0), 0.01);
  EXPECT_DOUBLE_EQ(learning_rate(options, 0.25, 1, 0), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 0.5, 1, 0), 1);
  EXPECT_NEAR(learning_rate(options, 0, 1, 1), 0.625, 1e-12);  // n = 1, half of the cool-down
  EXPECT_DOUBLE_EQ(learning_rate(options, 0.5, 1, 1), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1, 7), 0.25) << "a later task is not warmed up";
  EXPECT_DOUBLE_EQ(learning_rate(options, 0.9, 1, 7), 0.25);
  EXPECT_EQ(unscaled_rate(options, 0.9, 1, 7), 0);

  options.anneal_epochs = 0.4;
  EXPECT_FALSE(anneals(options, 0.59, 1));
  EXPECT_DOUBLE_EQ(learning_rate(options, 0.59, 1, 1), 0.25);
  EXPECT_TRUE(anneals(options, 0.61, 1));
  EXPECT_NEAR(learning_rate(options, 0.8, 1, 1), 0.05, 1e-12);  // 0.25 sqrt(0.01 / 0.25)
  EXPECT_NEAR(learning_rate(options, 1, 1, 1), 0.01, 1e-12);
  // Begun at n = 1.6: the exponent is 0.2 / (0.4 + 1.6), and at the end 0.4 / 2.
  options.anneal = "as_printed";
  EXPECT_NEAR(learning_rate(options, 0.8, 1, 1), 0.25 * std::pow(0.04, 0.1), 1e-12);
  EXPECT_NEAR(learning_rate(options, 1, 1, 1), 0.25 * std::pow(0.04, 0.2), 1e-12);

  options.constant_lr = 0;
  options.anneal_epochs = 0;
  EXPECT_DOUBLE_EQ(learning_rate(options, 0, 1, 7), 0.505);
}

// tests/fixtures/optimizers.json: what torch.optim makes of two tensors, step by step.
TEST(Optimizer, StepsAsPyTorchsDo) {
  const fs::path path = fs::path(PATINA_SOURCE_DIR) / "tests/fixtures/optimizers.json";
  const Json file = parse_json(read_text(path), path.string());
  const std::vector<std::string> names = {"weight", "bias"};
  ASSERT_GE(file["cases"].size(), 15u);
  for (const Json& one : file["cases"]) {
    OptimizerOptions options{.optimizer = one["optimizer"],
                             .momentum = one.value("momentum", 0.9),
                             .nesterov = one.value("nesterov", false),
                             .beta1 = one.value("beta1", 0.9),
                             .beta2 = one.value("beta2", 0.999),
                             .amsgrad = one.value("amsgrad", false),
                             .weight_decay = one.value("weight_decay", 0.0)};
    std::vector<Tensor> tensors;
    std::vector<ParamGroup> groups;
    for (const auto& name : names) {
      tensors.push_back(
          tensor_from(file["initial"][name], file["shapes"][name]).requires_grad_(true));
      ParamGroup group{{tensors.back()}};
      if (one.contains("groups")) {
        group.lr_factor = one["groups"][name][0];
        group.weight_decay_factor = one["groups"][name][1];
      }
      groups.push_back(group);
    }
    Optimizer optimizer(options, groups);
    for (size_t step = 0; step < one["steps"].size(); ++step) {
      for (size_t i = 0; i < names.size(); ++i) {
        const Json absent = Json::array({step, names[i]});
        const bool gone = one.contains("absent") && std::ranges::count(one["absent"], absent) > 0;
        const Json& values = file["gradients"][step][names[i]];
        tensors[i].mutable_grad() = gone ? Tensor() : tensor_from(values, file["shapes"][names[i]]);
      }
      optimizer.step(file["rates"][step]);
      for (size_t i = 0; i < names.size(); ++i)
        EXPECT_LT(relative_error(tensors[i], tensor_from(one["steps"][step][names[i]],
                                                         file["shapes"][names[i]])),
                  5e-6)
            << one["name"] << ", " << names[i] << " after step " << step;
    }
  }
}

struct Fit {
  Tensor a, b;
  Optimizer optimizer;

  explicit Fit(const OptimizerOptions& options)
      : a(random_tensor({3, 4}, 1).requires_grad_(true)),
        b(random_tensor({4}, 2).requires_grad_(true)),
        optimizer(options, {{{a}}, {{b}, 2, 0}}) {}

  void step(uint64_t index) {
    optimizer.zero_grad();
    (at::matmul(a, b) - random_tensor({3}, 100 + index)).square().sum().backward();
    optimizer.step(0.01);
  }
};

TEST(Optimizer, StateContinuesToTheSameBits) {
  for (const std::string name : {"sgd", "adam", "amsgrad", "adamw"}) {
    const bool largest = name == "amsgrad";
    const OptimizerOptions options{
        .optimizer = largest ? "adam" : name, .amsgrad = largest, .weight_decay = 0.01};
    Fit whole(options), first(options), second(options);
    for (uint64_t i = 0; i < 6; ++i) whole.step(i);
    for (uint64_t i = 0; i < 3; ++i) first.step(i);
    {
      NoGrad no_grad;
      second.a.copy_(first.a);
      second.b.copy_(first.b);
    }
    second.optimizer.set_state(first.optimizer.state());
    for (uint64_t i = 3; i < 6; ++i) second.step(i);
    EXPECT_TRUE(at::equal(second.a, whole.a)) << name;
    EXPECT_TRUE(at::equal(second.b, whole.b)) << name;
    EXPECT_FALSE(at::equal(first.a, whole.a)) << name;
  }
}

TEST(Optimizer, RefusesAStateThatIsNotOne) {
  Fit fit({});
  fit.step(0);
  const std::vector<Tensor> good = fit.optimizer.state();
  auto no_steps = good, other_shape = good, other_type = good;
  no_steps[0] = Tensor();
  other_shape[1] = at::zeros({5});
  other_type[1] = good[1].to(at::kDouble);
  for (const auto& bad :
       {std::vector<Tensor>{}, {good.begin(), good.begin() + 4}, no_steps, other_shape, other_type})
    EXPECT_PRED2(contains, error_of([&] { fit.optimizer.set_state(bad); }),
                 "the optimizer's state cannot be read");
  Tensor lone = at::ones({1}).requires_grad_(true);
  Optimizer other({}, {{{lone}}});
  EXPECT_PRED2(contains, error_of([&] { other.set_state(good); }),
               "the optimizer's state cannot be read");
}

}  // namespace
}  // namespace patina

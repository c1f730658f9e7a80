// DGR: its factors and losses on numbers computed by hand, and whole tasks, compared with the
// paper's equations.
#include "patina/learners/replay/dgr.h"

#include <gtest/gtest.h>

#include <cmath>

#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_course.h"

namespace patina {
namespace {

Tensor column(std::initializer_list<float> items) {
  return float_tensor(items).unsqueeze(1);
}

// ∂/∂W of mean CE is (p - y)ᵀ f / B: scores of zero give p = 1/2.
TEST(Dgr, TakesALossesGradientInTheHead) {
  const Tensor target = tensor_of(std::vector<int64_t>{0, 1});
  const Tensor features = float_tensor({1, 2, 3, 4}).view({2, 2}).requires_grad_(true);
  const auto loss = [&](const Tensor& z) { return nn::cross_entropy(z, target); };
  const auto of = dgr::gradient_in_head(loss, at::zeros({2, 2}), features);
  EXPECT_LT(relative_error(of.weight, float_tensor({0.5, 0.5, -0.5, -0.5}).view({2, 2})), 1e-6);
  EXPECT_LT(relative_error(of.bias, float_tensor({0, 0})), 1e-6);
  EXPECT_FALSE(features.grad().defined());
  EXPECT_LT(relative_error(dgr::lengths(of), float_tensor({0.70710678F, 0.70710678F})), 1e-6);
}

TEST(Dgr, BalancesClassesByTheSmallestCumulatedGradient) {
  EXPECT_LT(
      relative_error(dgr::factors(float_tensor({4, 1, 2}), 0, 0.1), float_tensor({0.25, 1, 0.5})),
      1e-6);
}

// Φ = 4, 1 | 2, 8: α = 1/4, 1 | 1, 1/4 and mean 2.5 | 5: fresh / known = 2.
TEST(Dgr, BalancesOldAndFreshClassesAsGroups) {
  const Tensor phi = float_tensor({4, 1, 2, 8});
  EXPECT_LT(relative_error(dgr::factors(phi, 2, 0.2), float_tensor({0.25, 1, 0.4F, 0.1F})), 1e-6);
  EXPECT_LT(relative_error(dgr::factors(phi, 2, 0.9), float_tensor({0.25, 1, 1, 0.25})), 1e-6)
      << "r is at most 1";
  // Φ = 8, 2 | 4, 1: mean 5 | 2.5: fresh / known = 1/2.
  EXPECT_LT(relative_error(dgr::factors(float_tensor({8, 2, 4, 1}), 2, 0.4),
                           float_tensor({0.125, 0.5, 0.05F, 0.2F})),
            1e-6);
}

TEST(Dgr, AClassWithoutGradientsHasTheWholeFactor) {
  EXPECT_LT(relative_error(dgr::factors(float_tensor({0, 3}), 0, 1), float_tensor({1, 0})), 1e-30);
  EXPECT_TRUE(at::equal(dgr::factors(float_tensor({0, 0}), 0, 1), float_tensor({1, 1})));
  EXPECT_TRUE(at::equal(dgr::factors(float_tensor({0, 0, 0}), 2, 1), float_tensor({1, 1, 1})));
}

// Rows of lengths 6 and 8 after the factors: 10 together; the repeated one has 2, so ρ = 5.
TEST(Dgr, GivesDistillationTheNormOfTheReweightedGradient) {
  const dgr::HeadGradient classifying{column({12, -16}), float_tensor({2, 4})};
  const dgr::HeadGradient repeating{column({2, 0}), float_tensor({-1, 0})};
  const auto sum = dgr::reweighted(classifying, repeating, float_tensor({0.5, 0.5}));
  EXPECT_TRUE(at::equal(sum.weight, column({6 + 10, -8})));
  EXPECT_TRUE(at::equal(sum.bias, float_tensor({1 - 5, 2})));
  const auto alone = dgr::reweighted(classifying, {}, float_tensor({0.5, 0.5}));
  EXPECT_TRUE(at::equal(alone.weight, column({6, -8})));
  EXPECT_TRUE(at::equal(alone.bias, float_tensor({1, 2})));
}

TEST(Dgr, DoesNotMakeAGradientOfRounding) {
  const dgr::HeadGradient classifying{column({3, -4}), float_tensor({0, 0})};
  const auto with = [&](float rounding) {
    const dgr::HeadGradient repeating{column({rounding, 0}), float_tensor({0, 0})};
    return dgr::reweighted(classifying, repeating, float_tensor({1, 1})).weight;
  };
  EXPECT_TRUE(at::equal(with(0), classifying.weight));
  EXPECT_LT(relative_error(with(1e-8F), classifying.weight), 1e-4);
  EXPECT_LT(relative_error(with(1e-3F), column({8, -4})), 1e-6);
  const dgr::HeadGradient none{column({0, 0}), float_tensor({0, 0})};
  EXPECT_TRUE(at::equal(dgr::reweighted(none, none, float_tensor({1, 1})).weight, none.weight));
}

// Lost: 3, 1, 0. Entropy: -(3/4 ln 3/4 + 1/4 ln 1/4) = 0.562335, of ln 3 = 1.098612.
TEST(Dgr, MeasuresHowUnevenlySamplesWereLost) {
  const auto uneven = dgr::lost({5, 3, 2}, {2, 2, 2});
  EXPECT_NEAR(uneven.evenness, 0.511860, 1e-6);
  EXPECT_LT(relative_error(uneven.share, float_tensor({0.9486833F, 0.3162278F, 0})), 1e-6);
  EXPECT_NEAR(dgr::lost({5, 5, 5}, {2, 2, 2}).evenness, 1, 1e-12);
  EXPECT_EQ(dgr::lost({2, 2}, {2, 2}).evenness, 1) << "nothing lost";
  EXPECT_EQ(dgr::lost({5}, {2}).evenness, 1) << "one class";
}

TEST(Dgr, DistillsAwareOfWhatWasLost) {
  const Tensor student = float_tensor({2, -1}).unsqueeze(0);
  const Tensor teacher = float_tensor({1, 3}).unsqueeze(0);
  const dgr::Lost lost{float_tensor({0.8F, 0.6F}), 0.25};
  const auto log_p = [](double a, double b) { return a - std::log(std::exp(a) + std::exp(b)); };
  // T = 2; v = 0.8 · 2 + 0.2 · 1, 0.6 · -1 + 0.4 · 3.
  const double p0 = std::exp(log_p(0.5, 1.5)), p1 = std::exp(log_p(1.5, 0.5));
  const double plain = -p0 * log_p(1, -0.5) - p1 * log_p(-0.5, 1);
  const double mixed = -p0 * log_p(0.9, 0.3) - p1 * log_p(0.3, 0.9);
  EXPECT_NEAR(dgr::distillation(student, teacher, 2, lost).item<double>(),
              0.25 * plain + 0.75 * mixed, 1e-6);
  EXPECT_NEAR(dgr::distillation(student, teacher, 2, {}).item<double>(), plain, 1e-6);
}

// Trains as the paper describes, in full batches and with plain gradient descent: on every task's
// samples, and from the second task on also on those of earlier tasks.
class Written {
 public:
  Written(ToyCourse& toy, const std::string& loss) : toy_(toy), loss_(loss) {}

  // Starts with the weights in `state`, at the start of a task.
  void begin(const std::map<std::string, Tensor>& state) {
    const Tensor w = state.at("head.weight"), b = state.at("head.bias");
    teacher_ = known_ > 0 ? network_of(state) : nullptr;
    teacher_weight_ = w.slice(0, 0, known_).clone();
    teacher_bias_ = b.slice(0, 0, known_).clone();
    network_ = network_of(state);
    nn::freeze(*network_, false);
    weight_ = w.detach().clone().requires_grad_(true);
    bias_ = b.detach().clone().requires_grad_(true);
    cumulated_ = at::zeros({w.size(0)});
  }

  void step(const Input& input, const Tensor& target, double rate) {
    const int64_t classes = weight_.size(0), fresh = classes - known_;
    const double n = double(target.size(0));
    const Tensor count = at::one_hot(target, classes).sum(0).to(at::kFloat);
    const Tensor log_share = at::log(count / n);
    const Tensor f = network_->features(input), z = at::linear(f, weight_, bias_);
    Tensor loss = nn::cross_entropy(z + log_share, target);
    Tensor clf = at::softmax(z + log_share, 1) - at::one_hot(target, classes), kd;
    if (known_ > 0) {
      const Tensor z_old = z.slice(1, 0, known_);
      const Tensor q = [&] {
        NoGrad no_grad;
        return at::softmax(
            at::linear(teacher_->features(input), teacher_weight_, teacher_bias_) / 2, 1);
      }();
      const double ratio = double(known_) / double(fresh);
      const double weight = loss_ == "paper" ? 0.7 * 4 * std::sqrt(ratio) : 0.7 * ratio;
      loss = loss - (q * at::log_softmax(z_old / 2, 1)).sum(1).mean() * weight;
      kd = (at::softmax(z_old / 2, 1) - q) / 2;
    }
    loss.backward();
    NoGrad no_grad;
    descend_head(f, clf / n, kd.defined() ? kd / n : kd, rate);
    for (auto& item : nn::trainable(*network_)) {
      item.tensor.sub_(item.tensor.grad() * rate);
      item.tensor.mutable_grad() = Tensor();
    }
    weight_.mutable_grad() = bias_.mutable_grad() = Tensor();
  }

  void end() { known_ = weight_.size(0); }

  void expect(const std::map<std::string, Tensor>& state) const {
    EXPECT_LT(relative_error(state.at("head.weight"), weight_), 1e-5);
    EXPECT_LT(relative_error(state.at("head.bias"), bias_), 1e-5);
    EXPECT_LT(relative_error(state.at("cumulated"), cumulated_), 1e-5);
    for (auto& item : nn::tensors(*network_))
      EXPECT_LT(relative_error(state.at("backbone." + item.name), item.tensor), 1e-5) << item.name;
  }

 private:
  std::unique_ptr<Backbone> network_of(const std::map<std::string, Tensor>& state) const {
    auto copy = toy_.network->clone();
    NoGrad no_grad;
    for (auto& item : nn::tensors(*copy)) item.tensor.copy_(state.at("backbone." + item.name));
    return copy;
  }

  // Class by class, like the paper's algorithm.
  void descend_head(const Tensor& f, const Tensor& clf, const Tensor& kd, double rate) {
    const int64_t classes = weight_.size(0);
    const auto row = [&](const Tensor& by_scores, int64_t c) {
      return (by_scores.select(1, c).unsqueeze(1) * f).sum(0);
    };
    const auto norm = [](const Tensor& x) { return x.square().sum().sqrt().item<double>(); };
    double least[2] = {1e30, 1e30}, sum[2] = {0, 0}, count[2] = {0, 0};
    for (int64_t c = 0; c < classes; ++c) {
      const int group = c >= known_;
      cumulated_.select(0, c).add_(norm(row(clf, c)));
      const double phi = cumulated_.select(0, c).item<double>();
      least[group] = std::min(least[group], phi);
      sum[group] += phi;
      ++count[group];
    }
    double r[2] = {1, 1};
    if (known_ > 0) {
      const double ratio = sum[1] / count[1] / (sum[0] / count[0]);
      r[0] = std::min(1.0, ratio);
      r[1] = std::min(1.0, ratio * std::exp(-double(known_) / double(classes)));
    }
    std::vector<double> factor;
    double wanted = 0, given = 0;
    for (int64_t c = 0; c < classes; ++c) {
      const int group = c >= known_;
      factor.push_back(least[group] / cumulated_.select(0, c).item<double>() * r[group]);
      wanted += std::pow(factor.back() * norm(row(clf, c)), 2);
      if (c < known_) given += std::pow(norm(row(kd, c)), 2);
    }
    // In a task's first step the network equals its teacher.
    const double rho = given > 1e-12 ? std::sqrt(wanted / given) : 0;
    for (int64_t c = 0; c < classes; ++c) {
      Tensor w = row(clf, c) * factor[size_t(c)];
      Tensor b = clf.select(1, c).sum() * factor[size_t(c)];
      if (c < known_) {
        w = w + row(kd, c) * rho;
        b = b + kd.select(1, c).sum() * rho;
      }
      weight_.select(0, c).sub_(w * rate);
      bias_.select(0, c).sub_(b * rate);
    }
  }

  ToyCourse& toy_;
  std::string loss_;
  std::unique_ptr<Backbone> network_, teacher_;
  Tensor weight_, bias_, teacher_weight_, teacher_bias_, cumulated_;
  int64_t known_ = 0;
};

class DgrLosses : public testing::TestWithParam<std::string> {};
TEST_P(DgrLosses, TrainsAsWritten) {
  constexpr int64_t kSteps = 3;
  ToyCourse toy("dgr", {"loss=\"" + GetParam() + "\""}, "class_incremental",
                {.epochs = kSteps, .batch_size = 1024});
  Written written(toy, GetParam());
  std::vector<Task> tasks;
  Batch all;
  for (int t = 0; t < 3; ++t) {
    tasks.push_back(*toy.stream.next());
    const Task& task = tasks.back();
    toy.learner->begin_task(task, toy.trainer);
    written.begin(toy.state());
    toy.learner->fit(task, toy.trainer);
    toy.learner->end_task(task, toy.trainer);
    // Every class has twelve samples, and all of them are kept.
    const Dataset both = t == 0
                             ? *task.train
                             : task.train->joined(t == 1 ? *tasks[0].train
                                                         : tasks[0].train->joined(*tasks[1].train));
    all = toy.batch(both);
    for (int64_t i = 0; i < kSteps; ++i) written.step(all.input, all.target, 0.05);
    written.expect(toy.state());
    written.end();
  }
}
INSTANTIATE_TEST_SUITE_P(Losses, DgrLosses, testing::Values("paper", "pilot"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina

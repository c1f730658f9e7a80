// The classical methods, compared with their papers, on a small MLP and a toy stream.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/algebra/random_projection.h"
#include "patina/base/json.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_course.h"

namespace patina {
namespace {

// Of a linear head on features f: E_y (d log p(y) / dW_kj)² = p_k (1 - p_k) f_j².
TEST(Ewc, MeasuresTheInformationOfALinearHeadExactly) {
  ToyCourse toy("ewc", {"fisher=exact"}, "class_incremental");
  toy.learn();
  const Batch train = toy.batch(*toy.task->train);
  NoGrad no_grad;
  const Tensor f = toy.network->features(train.input).to(at::kDouble);
  const Tensor p = at::softmax(toy.learner->scores(train).to(at::kDouble), -1);
  const Tensor expected = (p * (1 - p)).t().mm(f.square()) / double(f.size(0));
  const auto state = toy.state();
  // After four tensors of the MLP's two layers come the head's two.
  EXPECT_LT(relative_error(state.at("anchor.importance.4").to(at::kDouble), expected), 1e-4);
  EXPECT_LT(relative_error(state.at("anchor.importance.5").to(at::kDouble), (p * (1 - p)).mean(0)),
            1e-4);
}

TEST(Ewc, MeasuresTheSameWhateverTheBatch) {
  std::vector<Tensor> measured;
  for (const int64_t batch : {1, 64}) {
    // No weight changes, so only the batch size of the measurement differs.
    ToyCourse toy("ewc", {"fisher=labels"}, "class_incremental",
                  {.epochs = 1, .batch_size = batch});
    toy.task = *toy.stream.next();
    toy.learner->begin_task(*toy.task, toy.trainer);
    toy.learner->end_task(*toy.task, toy.trainer);
    measured.push_back(toy.state().at("anchor.importance.0"));
  }
  EXPECT_GT(measured[0].abs().max().item<float>(), 0);
  EXPECT_LT(relative_error(measured[0], measured[1]), 1e-6);
}

// The first task's penalty after the second task: squared distances weighted by the first task's
// information.
class EwcBy : public testing::TestWithParam<const char*> {};
TEST_P(EwcBy, HoldsTheWeightsTheMoreTheStrongerItIs) {
  std::vector<double> energy;
  for (const char* strength : {"strength=0", "strength=1e6", "strength=1e7"}) {
    ToyCourse toy("ewc", {strength}, "domain_incremental",
                  {.epochs = 6,
                   .batch_size = 8,
                   .optimizer = {.optimizer = GetParam(), .lr = 0.005, .schedule = "constant"}},
                  true);
    toy.learn();
    const auto before = toy.state();
    toy.learn();
    const auto now = nn::tensors(*toy.network);
    double sum = 0;
    for (size_t i = 0; i < now.size(); ++i) {
      const Tensor moved = now[i].tensor.detach() - before.at(fmt::format("anchor.place.{}", i));
      sum +=
          (before.at(fmt::format("anchor.importance.{}", i)) * moved.square()).sum().item<double>();
    }
    energy.push_back(sum);
  }
  EXPECT_GT(energy[0], 1.2 * energy[1]);
  EXPECT_GT(energy[1], 1.2 * energy[2]);
}
INSTANTIATE_TEST_SUITE_P(Optimizers, EwcBy, testing::Values("sgd", "adam", "adamw"));

// With plain gradient descent a step is -η g, so a path of one step adds η g².
TEST(Si, AddsUpWhatEveryStepGained) {
  ToyCourse toy("si", {}, "class_incremental", {.epochs = 1, .batch_size = 1024});
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const Batch all = toy.batch(*toy.task->train);
  toy.learner->loss(all, {}).backward();
  const Tensor g = nn::tensors(*toy.network)[0].tensor.grad().clone();
  toy.learner->fit(*toy.task, toy.trainer);
  EXPECT_LT(relative_error(toy.state().at("path.0"), g.square() * 0.05), 1e-3);
}

// The annealing is so steep and late that λ is 0 in all steps: the pull undoes Adam's updates at
// once.
TEST(RecAdam, RecallsBeforeItLearns) {
  ToyCourse toy("recadam", {"strength=20", "middle=100000"}, "class_incremental");
  const auto before = copied(nn::tensors(*toy.network));
  toy.learn();
  const auto after = weights_of(nn::tensors(*toy.network));
  for (size_t i = 0; i < before.size(); ++i) EXPECT_LT(relative_error(after[i], before[i]), 1e-6);
  EXPECT_GT(toy.state().at("head.bias").abs().max().item<float>(), 0) << "the head learns";
}

TEST(RecAdam, IsPlainTrainingWhereNothingIsRecalled) {
  ToyCourse recalls("recadam", {"annealing=constant"}, "class_incremental");
  ToyCourse plain("ewc", {"strength=0"}, "class_incremental");
  recalls.learn();
  plain.learn();
  const auto a = weights_of(nn::tensors(*recalls.network)),
             b = weights_of(nn::tensors(*plain.network));
  for (size_t i = 0; i < a.size(); ++i) EXPECT_LT(relative_error(a[i], b[i]), 1e-5);
}

// The mean over samples of |d ‖f‖² / dθ|: for the head's bias it is 2 |score|.
TEST(Mas, MeasuresHowTheOutputMoves) {
  ToyCourse toy("mas", {}, "class_incremental");
  toy.learn();
  const Batch train = toy.batch(*toy.task->train);
  const Tensor scores = toy.learner->scores(train);
  EXPECT_LT(relative_error(toy.state().at("anchor.importance.5"), (scores * 2).abs().mean(0)),
            1e-4);
}

TEST(Lwf, RepeatsWhatItSaidOfEarlierClasses) {
  std::vector<double> kept;
  for (const char* strength : {"strength=0", "strength=1"}) {
    ToyCourse toy("lwf", {strength}, "class_incremental", {.epochs = 20, .batch_size = 8});
    toy.learn();
    const Batch fresh = toy.batch(toy.scenario.train(1));
    const auto said = [&] { return at::softmax(toy.learner->scores(fresh).slice(1, 0, 2), -1); };
    const Tensor before = said();
    toy.learn();
    kept.push_back((said() - before).abs().mean().item<double>());
  }
  EXPECT_LT(kept[1], 0.5 * kept[0]);
}

// The sums of a wider head may be in another order.
bool unchanged(const Tensor& now, const Tensor& before) {
  return (now - before).abs().max().item<float>() < 1e-6;
}

TEST(PackNet, LeavesEarlierTasksUntouched) {
  ToyCourse toy("packnet");
  toy.learn();
  const Tensor first = toy.scores(0).slice(1, 0, 2);
  toy.learn();
  const Tensor second = toy.scores(1).slice(1, 2, 4);
  toy.learn();
  EXPECT_TRUE(unchanged(toy.scores(0).slice(1, 0, 2), first));
  EXPECT_TRUE(unchanged(toy.scores(1).slice(1, 2, 4), second));
  // Half of the free weights stay free after each task.
  EXPECT_NEAR(toy.learner->diagnostics()["free_weights"].get<double>(), 0.125, 0.01);
}

TEST(Piggyback, LeavesEarlierTasksAndTheNetworkUntouched) {
  ToyCourse toy("piggyback", {}, "task_incremental", {.epochs = 3, .batch_size = 8});
  const Tensor weight = nn::tensors(*toy.network)[0].tensor.detach().clone();
  toy.learn();
  const Tensor first = toy.scores(0).slice(1, 0, 2);
  toy.learn();
  EXPECT_TRUE(unchanged(toy.scores(0).slice(1, 0, 2), first));
  EXPECT_TRUE(at::equal(nn::tensors(*toy.network)[0].tensor, weight));
}

// When every unit is in use, no weight has a gradient.
TEST(Hat, StopsTheGradientsOfUnitsInUse) {
  ToyCourse toy("hat");
  toy.learn();
  Archive archive;
  toy.learner->state(archive);
  const auto path = scratch_folder("hat") / "state";
  archive.write(path);
  auto full = Archive::read(path);
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  // Replaces the learned masks by ones.
  Archive now;
  toy.learner->state(now);
  now.write(path);
  for (auto& [key, tensor] : now.tensors())
    if (key.starts_with("used.")) const_cast<Tensor&>(tensor).fill_(1);
  now.write(path);
  auto filled = Archive::read(path);
  toy.learner->state(filled);
  toy.learner->loss(toy.batch(*toy.task->train), {}).backward();
  toy.learner->after_backward({});
  for (const auto& item : nn::tensors(*toy.network))
    EXPECT_EQ(item.tensor.grad().abs().max().item<float>(), 0) << item.name;
}

TEST(Hat, LeavesEarlierTasksNearlyUntouched) {
  ToyCourse toy("hat", {}, "task_incremental", {.epochs = 10, .batch_size = 8});
  toy.learn();
  const Tensor first = at::softmax(toy.scores(0).slice(1, 0, 2), -1);
  toy.learn();
  toy.learn();
  EXPECT_LT((at::softmax(toy.scores(0).slice(1, 0, 2), -1) - first).abs().max().item<double>(),
            0.05);
}

// Recursive least squares gives the joint solution, for any order and any batches.
TEST(RecursiveRidge, IsTheJointSolutionWhateverTheOrder) {
  const std::vector<std::string> settings = {"projection=40", "penalty=3"};
  ToyCourse toy("recursive_ridge", settings, "online_hard", {.epochs = 1, .batch_size = 8});
  std::vector<Tensor> features, targets;
  for (int i = 0; i < 3; ++i) {
    toy.learn();
    const Batch train = toy.batch(*toy.task->train);
    features.push_back(toy.network->features(train.input).detach());
    targets.push_back(train.target);
  }
  const auto state = toy.state();
  const RandomProjection project(toy.network->width(), 40, Seeds(5)("projection"));
  const Tensor x = project(at::cat(features)).to(at::kDouble);
  const Tensor y = at::one_hot(at::cat(targets), 6).to(at::kDouble);
  const Tensor gram = x.t().mm(x) + at::eye(40, at::kDouble) * 3;
  const Tensor factor = at::linalg_cholesky(gram);
  const Tensor joint = at::linalg_solve_triangular(
      factor.t(), at::linalg_solve_triangular(factor, x.t().mm(y), false), true);
  EXPECT_LT(relative_error(state.at("weight"), joint), 1e-8);

  ToyCourse other("recursive_ridge", settings, "class_incremental", {.epochs = 1, .batch_size = 3});
  for (int i = 0; i < 3; ++i) other.learn();
  EXPECT_LT(relative_error(other.state().at("weight"), state.at("weight")), 1e-8);
}

// The result is compared with sums written out one sample after another.
TEST(Slda, KeepsRunningMeansAndCovariance) {
  ToyCourse toy("slda", {}, "online_hard", {.epochs = 1, .batch_size = 5});
  const int64_t width = toy.network->width();
  Tensor covariance = at::zeros({width, width}, at::kDouble);
  std::vector<Tensor> means(6, at::zeros({width}, at::kDouble));
  std::vector<double> counts(6);
  double seen = 0;
  for (int i = 0; i < 3; ++i) {
    toy.learn();
    const Dataset& train = *toy.task->train;
    for (int64_t s = 0; s < train.size(); ++s) {
      const Batch one = toy.batch(train.select({s}));
      const Tensor z = toy.network->features(one.input)[0].detach().to(at::kDouble);
      const auto c = size_t(train.target(s));
      const Tensor d = z - means[c];
      covariance = (covariance * seen + d.unsqueeze(1).mm(d.unsqueeze(0)) * (seen / (seen + 1))) /
                   (seen + 1);
      means[c] = (means[c] * counts[c] + z) / (counts[c] + 1);
      ++counts[c];
      ++seen;
    }
  }
  const auto state = toy.state();
  EXPECT_LT(relative_error(state.at("covariance"), covariance), 1e-6);
  EXPECT_LT(relative_error(state.at("means"), at::stack(means)), 1e-6);
  const Tensor shrunk = covariance * (1 - 1e-4) + at::eye(width, at::kDouble) * 1e-4;
  const Tensor f =
      toy.network->features(toy.batch(toy.scenario.test(0)).input).detach().to(at::kDouble);
  const Tensor factor = at::linalg_cholesky(shrunk);
  const Tensor weight = at::linalg_solve_triangular(
      factor.t(), at::linalg_solve_triangular(factor, at::stack(means).t(), false), true);
  const Tensor expected = f.mm(weight) - 0.5 * (at::stack(means).t() * weight).sum(0);
  EXPECT_LT(relative_error(toy.scores(0).to(at::kDouble), expected), 1e-4);
}

TEST(GDumb, LearnsNothingUntilItIsAsked) {
  ToyCourse toy("gdumb", {"memory=12"}, "class_incremental");
  toy.task = *toy.stream.next();
  const Tensor before = nn::tensors(*toy.network)[0].tensor.detach().clone();
  toy.trainer.learn(*toy.learner, *toy.task, toy.scenario.grant());
  EXPECT_TRUE(at::equal(nn::tensors(*toy.network)[0].tensor, before));
  toy.learner->before_scores(toy.trainer);
  EXPECT_FALSE(at::equal(nn::tensors(*toy.network)[0].tensor, before));
  const Tensor scores = toy.scores(0);
  toy.learner->before_scores(toy.trainer);
  EXPECT_TRUE(at::equal(toy.scores(0), scores)) << "asked twice";
}

TEST(Derpp, KeepsTheScoresOfTheMoment) {
  ToyCourse toy("derpp", {"memory=5"}, "online_hard", {.epochs = 1, .batch_size = 4});
  toy.learn();
  for (const auto& [key, tensor] : toy.state())
    if (key.starts_with("scores.")) {
      EXPECT_EQ(tensor.sizes(), (Shape{2}));
    }
  toy.learn();
  int64_t wide = 0;
  for (const auto& [key, tensor] : toy.state())
    if (key.starts_with("scores.")) wide += tensor.size(0) == 4;
  EXPECT_GT(wide, 0) << "of four classes by now";
}

}  // namespace
}  // namespace patina

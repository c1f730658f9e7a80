// The penalties of EWC, MAS and RWalk and their weights, compared with the papers.
#include <gtest/gtest.h>

#include "patina/nn/merging.h"
#include "patina/ops.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_course.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

// The loss a/2 (x - 1)² with a penalty of information 1 at 0: the sum is smallest at a / (a + λ).
class EwcMomentum : public testing::TestWithParam<double> {};
TEST_P(EwcMomentum, BalancesGradientAndPenalty) {
  constexpr double kSteepness = 2, kStrength = 3, kRate = 0.02;
  ToyLearning toy("ewc", fmt::format("strength = {}", kStrength),
                  {.epochs = 1,
                   .batch_size = 16,
                   .optimizer = {.lr = kRate, .momentum = GetParam(), .schedule = "constant"}});
  toy.learn();
  Archive saved;
  toy.learner->state(saved);
  for (const auto& [key, tensor] : saved.tensors()) {
    if (key.starts_with("anchor.importance.")) Tensor(tensor).fill_(1);
    if (key.starts_with("anchor.place.")) Tensor(tensor).zero_();
  }
  auto changed = std::move(saved).reopened();
  toy.learner->state(changed);
  const Tensor x = nn::tensors(*toy.vit)[0].tensor;
  Optimizer optimizer({.lr = kRate, .momentum = GetParam()}, {{.tensors = {x}}});
  for (int i = 0; i < 1000; ++i) {
    x.mutable_grad() = (x.detach() - 1) * kSteepness;
    optimizer.step(kRate);
    toy.learner->after_step({}, {.rate = kRate, .trainer = &toy.trainer});
  }
  const Tensor balance = at::full_like(x.detach(), kSteepness / (kSteepness + kStrength));
  EXPECT_LT(relative_error(x.detach(), balance), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Momenta, EwcMomentum, testing::Values(0, 0.5, 0.9));

// The first layer's weight and its gradient at the network's current weights.
Tensor first_layer(ToyCourse& toy) {
  return nn::tensors(*toy.network)[0].tensor.detach().clone();
}
Tensor first_gradient(ToyCourse& toy) {
  for (auto& item : nn::tensors(*toy.network)) item.tensor.mutable_grad() = Tensor();
  toy.learner->loss(toy.batch(*toy.task->train), {}).backward();
  return nn::tensors(*toy.network)[0].tensor.grad().clone();
}

// s <- s + max(0, -g Δθ) / (F Δθ² / 2 + ε) with ε = 1e-3 (equation 8), one step at a time.
TEST(RWalk, AddsUpScoresPerDistance) {
  ToyCourse toy("rwalk", {"interval=1"}, "class_incremental", {.epochs = 1, .batch_size = 1024});
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  Tensor fisher = at::zeros({1}), score = at::zeros({1});
  for (int step = 0; step < 2; ++step) {
    const Tensor before = first_layer(toy), g = first_gradient(toy);
    toy.learner->fit(*toy.task, toy.trainer);
    const Tensor moved = first_layer(toy) - before;
    fisher = fisher * 0.9 + g.square() * 0.1;
    score = score + (-g * moved).clamp_min(0) / (fisher * moved.square() * 0.5 + 1e-3);
  }
  EXPECT_GT(score.max().item<double>(), 0);
  EXPECT_LT((toy.state().at("score.0") - score).abs().max().item<double>(),
            1e-3 * score.max().item<double>());
}

// The authors double the first task's scores before they halve them.
TEST(RWalk, AveragesScoresFromTheSecondTaskOn) {
  ToyCourse toy("rwalk", {}, "class_incremental", {.epochs = 4, .batch_size = 8});
  for (const double part : {1.0, 0.5, 0.5}) {
    toy.task = *toy.stream.next();
    toy.learner->begin_task(*toy.task, toy.trainer);
    toy.learner->fit(*toy.task, toy.trainer);
    const Tensor before = toy.state().at("score.0").clone();
    EXPECT_GT(before.max().item<double>(), 0);
    toy.learner->end_task(*toy.task, toy.trainer);
    EXPECT_TRUE(at::equal(toy.state().at("score.0"), before * part)) << part;
  }
}

// Outputs that a task does not use get no importance from it.
TEST(Mas, MeasuresTheTasksOwnHeadWhereItIsTold) {
  ToyCourse toy("mas", {"strength=0.01"}, "task_incremental");
  toy.learn();
  const Tensor first = toy.state().at("anchor.importance.5").clone();
  EXPECT_GT(first.min().item<double>(), 0);
  toy.learn();
  const Tensor second = toy.state().at("anchor.importance.5");
  EXPECT_TRUE(at::equal(second.slice(0, 0, 2), first));
  const Batch train = toy.batch(*toy.task->train);
  NoGrad no_grad;
  const auto state = toy.state();
  const Tensor scores = at::linear(toy.network->features(train.input), state.at("head.weight"),
                                   state.at("head.bias"));
  EXPECT_LT(relative_error(second.slice(0, 2, 4), (scores.slice(1, 2, 4) * 2).abs().mean(0)), 1e-4);
}

}  // namespace
}  // namespace patina

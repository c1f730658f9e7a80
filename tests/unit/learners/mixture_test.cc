// Merging baselines and DUCT: which networks are merged, and from which weights the next task
// starts.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/algebra/cosine.h"
#include "tests/support/toy_learning.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

const TrainingOptions kMixtureTraining{
    .epochs = 2, .batch_size = 8, .optimizer = {.lr = 0.02, .weight_decay = 1e-3}};

using Weights = std::vector<Tensor>;

Weights weights(Backbone& backbone) {
  Weights all;
  for (const auto& item : nn::tensors(backbone)) all.push_back(item.tensor.detach().clone());
  return all;
}

// The largest relative error over all tensors.
double error(const Weights& found, const Weights& wanted) {
  double worst = 0;
  for (size_t i = 0; i < found.size(); ++i)
    worst = std::max(worst, relative_error(found[i], wanted[i]));
  return worst;
}

Weights sum(double a, const Weights& x, double b, const Weights& y) {
  Weights all;
  for (size_t i = 0; i < x.size(); ++i) all.push_back(a * x[i] + b * y[i]);
  return all;
}

TEST(WiseFt, InterpolatesWithThePreTrainedNetwork) {
  ToyLearning toy("wise_ft", "part = 0.25", kMixtureTraining);
  const Weights initial = weights(*toy.vit);
  for (int task = 0; task < 2; ++task) {
    toy.begin();
    const Weights before = weights(*toy.vit);
    const std::string key = "heads.weights." + std::to_string(task);
    const Tensor begun = toy.state().at(key);
    toy.fit();
    const Weights trained = weights(*toy.vit);
    EXPECT_GT(error(trained, before), 1e-4);
    const Tensor head = toy.state().at(key);
    toy.end();
    EXPECT_LT(error(weights(*toy.vit), sum(0.75, initial, 0.25, trained)), 1e-6) << task;
    EXPECT_LT(relative_error(toy.state().at(key), 0.75 * begun + 0.25 * head), 1e-6);
    EXPECT_GT(relative_error(head, begun), 1e-4);
  }
}

TEST(WiseFt, InterpolatesWithThePreviousNetwork) {
  ToyLearning toy("wise_ft", "toward = \"previous\"", kMixtureTraining);
  toy.begin();
  toy.fit();
  const Weights first = weights(*toy.vit);
  toy.end();
  EXPECT_EQ(error(weights(*toy.vit), first), 0) << "the first task has no previous network";
  toy.begin();
  toy.fit();
  const Weights second = weights(*toy.vit);
  const auto heads = toy.state();
  toy.end();
  EXPECT_LT(error(weights(*toy.vit), sum(0.5, first, 0.5, second)), 1e-6);
  for (const char* key : {"heads.weights.0", "heads.weights.1", "heads.biases.1"})
    EXPECT_TRUE(at::equal(toy.state().at(key), heads.at(key))) << key;
}

// Before any training, a fresh head ranks classes by the distance to their means.
TEST(SequentialLearner, BeginsAtTheNearestMean) {
  ToyLearning toy("soup");
  toy.begin();
  const auto [features, targets] = toy.trainer.features(*toy.vit, *toy.task->train);
  const Tensor test = toy.features().to(at::kDouble);
  std::vector<Tensor> distances;
  for (const int64_t c : {0, 1}) {
    const Tensor rows = features.index_select(0, (targets == c).nonzero().squeeze(1));
    distances.push_back((test - rows.to(at::kDouble).mean(0)).square().sum(1));
  }
  // 2 √D (s₀ - s₁) = |f - μ₁|² - |f - μ₀|².
  const Tensor scores = toy.scores().to(at::kDouble) * (2 * std::sqrt(24.0));
  EXPECT_LT(relative_error(scores.select(1, 0) - scores.select(1, 1), distances[1] - distances[0]),
            1e-4);
}

TEST(Soup, ScoresWithTheMeanAndTrainsOnFromTheLast) {
  ToyLearning toy("soup", "", kMixtureTraining);
  std::vector<Weights> trained;
  for (int task = 0; task < 3; ++task) {
    toy.begin();
    if (task > 0) {
      EXPECT_EQ(error(weights(*toy.vit), trained.back()), 0);
    }
    toy.fit();
    trained.push_back(weights(*toy.vit));
    toy.end();
  }
  const Weights all = sum(1, sum(1, trained[0], 1, trained[1]), 1, trained[2]);
  EXPECT_LT(error(weights(*toy.vit), sum(1 / 3.0, all, 0, all)), 1e-6);
}

TEST(Soup, TrainsFromThePreTrainedNetworkWhereAsked) {
  ToyLearning toy("soup", "start = \"pretrained\"", kMixtureTraining);
  const Weights initial = weights(*toy.vit);
  toy.learn();
  EXPECT_GT(error(weights(*toy.vit), initial), 1e-4);
  toy.begin();
  EXPECT_EQ(error(weights(*toy.vit), initial), 0);
}

TEST(Duct, SumsWhatEachTaskChanges) {
  ToyLearning toy("duct", "merged = 0.5\nbackbone_lr_factor = 1.0", kMixtureTraining);
  const Weights initial = weights(*toy.vit);
  toy.learn();
  const Weights first = weights(*toy.vit);
  EXPECT_GT(error(first, initial), 1e-4);
  toy.begin();
  EXPECT_EQ(error(weights(*toy.vit), initial), 0) << "a task begins with the pre-trained network";
  toy.fit();
  const Weights second = weights(*toy.vit);
  // After the merge the backbone is not trained further, and the sum of changes continues over the
  // tasks.
  const auto state = toy.state();
  for (size_t i = 0; i < initial.size(); ++i) {
    const Tensor changes = state.at("changes." + std::to_string(i));
    EXPECT_LT(relative_error(second[i], initial[i] + changes), 1e-6) << i;
  }
  EXPECT_GT(error(second, first), 1e-4);
  EXPECT_GT(error(second, initial), error(first, initial) / 2);
}

TEST(Duct, WeighsAChangeByHowAlikeTheClassMeansStayed) {
  ToyLearning toy("duct", "merged = 0.5\nbackbone_lr_factor = 1.0\nretrain_epochs = 1",
                  kMixtureTraining);
  const auto initial = random_vit();
  TrainingOptions large = kMixtureTraining;  // steps
  large.optimizer.lr = 0.3;
  // The network as the task trained it: the state at the last step before the merge.
  std::unique_ptr<Backbone> trained;
  int64_t steps = 0;
  Trainer watched(large, toy.train, toy.test, toy.pool, toy.seeds, [&] {
    if (++steps == 4) trained = toy.vit->clone();  // 2 epochs of 16 samples, 8 per batch
  });
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, watched);
  toy.learner->fit(*toy.task, watched);
  EXPECT_EQ(steps, 6);
  double likeness = 0;
  const Dataset& data = *toy.task->train;
  const auto before = watched.features(*initial, data), after = watched.features(*trained, data);
  for (const int64_t c : {0, 1}) {
    const Tensor rows = (before.targets == c).nonzero().squeeze(1);
    const Tensor a = before.features.index_select(0, rows).mean(0).to(at::kDouble);
    const Tensor b = after.features.index_select(0, rows).mean(0).to(at::kDouble);
    likeness += ((a * b).sum() / (a.square().sum() * b.square().sum()).sqrt()).item<double>() / 2;
  }
  EXPECT_LT(likeness, 0.99);
  const Weights start = weights(*initial);
  EXPECT_LT(
      error(weights(*toy.vit), sum(1 - 0.5 * likeness, start, 0.5 * likeness, weights(*trained))),
      1e-5);
}

TEST(Duct, TransportsEarlierHeadsOfTasksOfOtherSizes) {
  for (const std::string compat : {"paper", "pilot"}) {
    // Four classes, then two. With this much regularization plain Sinkhorn iterations do.
    ToyLearning toy("duct", "regularization = 50.0\ntransported = 0.5\ncompat = \"" + compat + "\"",
                    kMixtureTraining, {.initial_classes = 4, .classes_per_task = 2});
    toy.learn();
    const Tensor old = toy.state().at("heads.weights.0");
    toy.begin();
    toy.fit();
    EXPECT_TRUE(at::equal(toy.state().at("heads.weights.0"), old)) << "training touched it";
    toy.end();
    const auto state = toy.state();
    const Tensor means = state.at("means").to(at::kDouble), fresh = state.at("heads.weights.1");
    ASSERT_EQ(old.size(0), 4);
    ASSERT_EQ(fresh.size(0), 2);
    Tensor kernel = at::empty({2, 4}, at::kDouble);
    for (int64_t i = 0; i < 2; ++i) {
      for (int64_t j = 0; j < 4; ++j) {
        const Tensor squared = (means[4 + i] - means[j]).square().sum();
        kernel[i][j] = at::exp(-(compat == "pilot" ? squared.sqrt() : squared) / 50);
      }
    }
    Tensor u = at::ones({2}, at::kDouble), v = at::ones({4}, at::kDouble);
    for (int i = 0; i < 500; ++i) {
      u = 0.5 / at::matmul(kernel, v);
      v = 0.25 / at::matmul(kernel.t(), u);
    }
    const Tensor plan = u.unsqueeze(1) * kernel * v;
    const Tensor wanted = 0.5 * old + 0.5 * at::matmul(plan.t(), fresh.to(at::kDouble));
    EXPECT_LT(relative_error(state.at("heads.weights.0"), wanted), 1e-6) << compat;
    EXPECT_GT(relative_error(state.at("heads.weights.0"), old), 1e-3) << compat;
    EXPECT_EQ(toy.scores().size(1), 6);
  }
}

TEST(Duct, WithoutTrainingIsSimpleCil) {
  TrainingOptions still = kMixtureTraining;
  still.optimizer.lr = 0;
  ToyLearning duct("duct", "merged = 0.0\ntransported = 0.0", still), prototypes("simplecil");
  for (int task = 0; task < 3; ++task) duct.learn(), prototypes.learn();
  const Tensor scores = duct.scores(), expected = prototypes.scores();
  EXPECT_LT(relative_error(scores, expected), 1e-6);
  EXPECT_TRUE(at::equal(scores.argmax(1), expected.argmax(1)));
}

// Without merging and transport a task changes nothing but its own head.
TEST(Duct, WithoutMergingTrainsHeadsOfThePreTrainedNetwork) {
  ToyLearning toy("duct", "merged = 0.0\ntransported = 0.0\nbackbone_lr_factor = 1.0",
                  kMixtureTraining);
  const Weights initial = weights(*toy.vit);
  toy.learn();
  const Tensor first = toy.state().at("heads.weights.0");
  toy.learn();
  EXPECT_EQ(error(weights(*toy.vit), initial), 0);
  EXPECT_TRUE(at::equal(toy.state().at("heads.weights.0"), first));
}

TEST(Duct, TurnsItsHeadAwayFromTheMeans) {
  // Few epochs, and as many as a head of this network needs.
  for (const auto& [retrain, lr, least] : {std::tuple{5, 0.1, 10}, {100, 0.3, 30}}) {
    TrainingOptions training = kMixtureTraining;
    training.optimizer.lr = lr;
    ToyLearning toy("duct", fmt::format("merged = 0.0\nretrain_epochs = {}", retrain), training,
                    {.classes_per_task = ToyLearning::kClasses});
    toy.learn();
    const auto state = toy.state();
    const Tensor means = state.at("means"), head = state.at("heads.weights.0");
    const Tensor cosines = at::cosine_similarity(head, means, 1);
    EXPECT_LT(cosines.max().item<double>(), std::cos(least * M_PI / 180)) << retrain;
    if (retrain == 5) continue;
    const auto set = toy.trainer.features(*toy.vit, *toy.task->train);
    const auto right = [&](const Tensor& rows) {
      return (cosine_scores(set.features, rows).argmax(1) == set.targets).sum().item<int64_t>();
    };
    EXPECT_GE(right(head), right(means));
  }
}

// Transport costs are computed from features at their own length, so the regularization must scale
// with them.
TEST(Duct, LearnsNoSlowerFromLongerFeatures) {
  Tensor scores[2];
  for (const int large : {0, 1}) {
    const auto network = random_vit();
    for (const auto& item : nn::tensors(*network))
      if (large && item.name.starts_with("norm.")) item.tensor.mul_(10);
    ToyDrive drive("duct",
                   toy_recipe("duct", 2, 0,
                              {"learner.merged=0", "learner.backbone_lr_factor=1e-9",
                               large ? "learner.regularization=200" : "learner.regularization=2"}),
                   kImages.data(), *network);
    std::vector<Tensor> rows;
    for (int task = 0; task < 2; ++task) drive.learn(*drive.stream.next());
    for (int task = 0; task < 2; ++task)
      rows.push_back(drive.learner->scores(drive.test_batch(task)));
    scores[large] = at::cat(rows);
  }
  EXPECT_LT(relative_error(scores[1], scores[0]), 1e-5);
}

}  // namespace
}  // namespace patina

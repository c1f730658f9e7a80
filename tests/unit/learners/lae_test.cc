// LAE: when its parts are trained and averaged, and how they are combined into scores.
#include <gtest/gtest.h>

#include "patina/adapt/adapter.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

using State = std::map<std::string, Tensor>;

// 16 samples per task in batches of 8: two steps per epoch.
const TrainingOptions kLaeTraining{
    .epochs = 3,
    .batch_size = 8,
    .optimizer = {.optimizer = "adam", .lr = 0.01, .schedule = "constant"}};
const std::string kOptions = "frozen_epochs = 1\nkeep = 0.75\n";

/// The states before the first step of the next task and after each of its steps.
std::vector<State> steps_of(ToyLearning& toy) {
  toy.begin();
  std::vector<State> states = {toy.state()};
  Trainer trainer(kLaeTraining, toy.train, toy.test, toy.pool, toy.seeds,
                  [&] { states.push_back(toy.state()); });
  toy.learner->fit(*toy.task, trainer);
  return states;
}

bool same(const State& a, const State& b, const std::string& part) {
  for (const auto& [key, tensor] : a)
    if (key.starts_with(part) && !at::equal(tensor, b.at(key))) return false;
  return true;
}

void expect_following(const std::vector<State>& states) {
  for (size_t step = 1; step < states.size(); ++step)
    for (const auto& [key, offline] : states[step]) {
      if (!key.starts_with("offline.")) continue;
      const Tensor online = states[step].at("online." + key.substr(8));
      EXPECT_LT(relative_error(offline, 0.75 * states[step - 1].at(key) + 0.25 * online), 1e-6)
          << key << " " << step;
    }
}

TEST(Lae, TheOfflineCopyIsMadeWithTheSecondTaskAndFollows) {
  ToyLearning toy("lae", kOptions, kLaeTraining);
  const auto first = steps_of(toy);
  ASSERT_EQ(first.size(), 7u);
  EXPECT_FALSE(same(first[0], first[1], "online."));      // trained from the first step
  EXPECT_TRUE(same(first[0], first.back(), "offline."));  // and there is no average
  const auto second = steps_of(toy);
  for (const auto& [key, tensor] : second[0])
    if (key.starts_with("offline.")) {
      EXPECT_TRUE(at::equal(tensor, first.back().at("online." + key.substr(8)))) << key;
    }
  EXPECT_TRUE(same(second[0], second[2], "online."));  // only heads train in this epoch
  EXPECT_FALSE(same(second[0], second[1], "heads."));
  EXPECT_FALSE(same(second[2], second[3], "online."));
  EXPECT_TRUE(same(second[0], second.back(), "heads.weights.0"));
  expect_following(second);
  const auto third = steps_of(toy);  // the copy is made once
  EXPECT_TRUE(same(second.back(), third[0], "offline."));
  EXPECT_FALSE(same(third[0], third[1], "offline."));
  expect_following(third);
}

TEST(Lae, AsInPilotBothBeginWithTheFirstTask) {
  ToyLearning toy("lae", kOptions + "compat = 'pilot'", kLaeTraining);
  const auto first = steps_of(toy);
  EXPECT_TRUE(same(first[0], first[2], "online."));
  EXPECT_FALSE(same(first[2], first[3], "online."));
  EXPECT_FALSE(same(first[2], first[3], "offline."));
  expect_following(first);
}

TEST(Lae, AClassScoresByTheSurerOfTheTwo) {
  ToyLearning toy("lae", kOptions, kLaeTraining);
  toy.learn();
  Random random;
  adapt::Adapter online({.bottleneck = 5,
                         .scale = 1,
                         .placement = "attention",
                         .activation = "gelu",
                         .learned_scale = true},
                        kTinyViT.width, kTinyViT.depth, random);
  nn::freeze(online);
  const auto probabilities = [&](const std::string& part) {
    const State state = toy.state();
    for (auto& item : nn::tensors(online)) item.tensor.copy_(state.at(part + "." + item.name));
    std::vector<Tensor> z;
    for (int t = 0; t <= toy.task->index; ++t)
      z.push_back(
          at::matmul(toy.features({&online}), state.at(fmt::format("heads.weights.{}", t)).t()) +
          state.at(fmt::format("heads.biases.{}", t)));
    return at::softmax(at::cat(z, 1), 1);
  };
  EXPECT_LT(relative_error(toy.scores(), probabilities("online")), 1e-5);
  toy.learn();
  const Tensor on = probabilities("online"), off = probabilities("offline");
  const Tensor scores = toy.scores();
  for (int64_t i = 0; i < scores.size(0); ++i)
    for (int64_t c = 0; c < scores.size(1); ++c)
      EXPECT_NEAR(scores[i][c].item<float>(),
                  std::max(on[i][c].item<float>(), off[i][c].item<float>()), 1e-5);
  EXPECT_GT(relative_error(on, off), 1e-4);
}

TEST(Lae, EveryAdaptationLearnsAndComesBack) {
  for (const std::string kind : {"adapter", "lora", "prefix"}) {
    const std::string options = fmt::format("adaptation = '{}'\n{}", kind, kOptions);
    ToyLearning toy("lae", options, kLaeTraining), back("lae", options, kLaeTraining);
    toy.begin();
    const State fresh = toy.state();
    toy.fit();
    for (const auto& [key, tensor] : toy.state())
      if (key.starts_with("online.")) {
        EXPECT_FALSE(at::equal(tensor, fresh.at(key))) << kind << " " << key;
      }
    toy.learn();
    const auto path = scratch_folder("lae_" + kind) / "state";
    Archive save;
    toy.learner->state(save);
    save.write(path);
    back.begin(), back.begin();
    Archive load = Archive::read(path);
    back.learner->state(load);
    EXPECT_TRUE(at::equal(back.scores(), toy.scores())) << kind;
  }
}

TEST(Lae, NamesBlocksThatAreNotThere) {
  EXPECT_PRED2(contains, error_of([] { ToyLearning("lae", "layers = [2, 7]"); }),
               "learner.layers: the network has none of these blocks; its blocks are 0 to 1");
}

}  // namespace
}  // namespace patina

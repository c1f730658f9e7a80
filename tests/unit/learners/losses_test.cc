// The losses and predictions of replay, distillation and masks, compared with their papers'
// formulas on the scores of a small MLP.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/learners/replay/herded_memory.h"
#include "patina/nn/heads.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/heard.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_course.h"

namespace patina {
namespace {

const TrainingOptions kOneByOne{.epochs = 1, .batch_size = 1};

// Mean cross-entropy over the columns from `from` to `to`, where the targets are.
double cross_entropy_of(const Tensor& scores, const Tensor& target, int64_t from, int64_t to) {
  const Tensor log_p = at::log_softmax(scores.slice(1, from, to).to(at::kDouble), 1);
  return -log_p.gather(1, (target - from).unsqueeze(1)).mean().item<double>();
}

// Changes all weights a little, so that the scores differ from before.
void stir(Learner& learner) {
  NoGrad no_grad;
  uint64_t seed = 0;
  for (const auto& group : learner.trainable())
    for (const auto& tensor : group.tensors)
      tensor.add_(random_tensor(tensor.sizes().vec(), ++seed, 0.1));
}

// A task of two classes after begin_task, and its samples; `one` of them is in the memory.
struct OneRemembered {
  OneRemembered(const std::string& name, std::vector<std::string> settings, int64_t updates = 1)
      : toy(name, with_memory(std::move(settings)), "online_hard",
            {.epochs = 1, .batch_size = 1, .updates_per_batch = updates}) {
    toy.learn();
    toy.task = *toy.stream.next();
    toy.learner->begin_task(*toy.task, toy.trainer);
  }
  static std::vector<std::string> with_memory(std::vector<std::string> settings) {
    settings.push_back("memory=1");
    settings.push_back("policy=\"ring\"");
    return settings;
  }
  Batch sample(int64_t i) { return toy.batch(toy.task->train->select({i})); }
  Tensor scores(const Batch& batch) { return toy.learner->scores(batch); }

  ToyCourse toy;
};

// CE(x, y) + α mean((f(x') - z')²) + β CE(x', y'), where z' are the scores before the sample's
// first step.
class DerppAfter : public testing::TestWithParam<int64_t> {};
TEST_P(DerppAfter, RepeatsTheScoresBeforeTheFirstStep) {
  OneRemembered world("derpp", {"alpha=0.3", "beta=0.5"}, GetParam());
  const Batch past = world.sample(0), now = world.sample(1);
  const Tensor kept = world.scores(past).clone();
  world.toy.learner->observe(past, world.toy.trainer);
  stir(*world.toy.learner);
  const Tensor said = world.scores(past);
  const double dark = (said - kept).square().mean().item<double>();
  ASSERT_GT(dark, 1e-3);
  const double expected = cross_entropy_of(world.scores(now), now.target, 0, 4) + 0.3 * dark +
                          0.5 * cross_entropy_of(said, past.target, 0, 4);
  EXPECT_NEAR(world.toy.learner->loss(now, {}).item<double>(), expected, 1e-4 * expected);
}
INSTANTIATE_TEST_SUITE_P(Updates, DerppAfter, testing::Values(1, 3));

// The two terms draw for themselves: which samples they took is read from the loss.
TEST(Derpp, DrawsTwiceInAStep) {
  constexpr int64_t kSamples = 6;
  ToyCourse toy("derpp", {"alpha=0.3", "beta=0.5", "memory=6", "policy=\"ring\""}, "online_hard",
                kOneByOne);
  toy.learn();
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const auto sample = [&](int64_t i) { return toy.batch(toy.task->train->select({i})); };
  std::vector<Tensor> kept;
  for (int64_t i = 0; i < kSamples; ++i) {
    kept.push_back(toy.learner->scores(sample(i)).clone());
    toy.learner->observe(sample(i), toy.trainer);
  }
  stir(*toy.learner);
  std::vector<double> dark, right;
  for (int64_t i = 0; i < kSamples; ++i) {
    const Tensor said = toy.learner->scores(sample(i));
    dark.push_back((said - kept[size_t(i)]).square().mean().item<double>());
    right.push_back(cross_entropy_of(said, sample(i).target, 0, 4));
  }
  const Batch now = sample(kSamples);
  const double own = cross_entropy_of(toy.learner->scores(now), now.target, 0, 4);
  int apart = 0;
  for (int64_t step = 1; step <= 12; ++step) {
    const double replayed =
        toy.learner->loss(now, {.step = step, .taken = step}).item<double>() - own;
    std::pair<size_t, size_t> drawn;
    double nearest = 1e9;
    for (size_t i = 0; i < dark.size(); ++i)
      for (size_t j = 0; j < right.size(); ++j)
        if (const double off = std::abs(0.3 * dark[i] + 0.5 * right[j] - replayed); off < nearest) {
          nearest = off;
          drawn = {i, j};
        }
    EXPECT_LT(nearest, 1e-4) << step;
    apart += drawn.first != drawn.second;
  }
  EXPECT_GT(apart, 4);
}

// The warning at the first step of a network with a learning rate.
std::string said_at(Backbone& network, double rate, const std::vector<std::string>& settings = {}) {
  const DataSplits data = toy_data(2, 4, 1);
  const auto options = bound_options("derpp", settings);
  const Scenario scenario =
      make_scenario({.name = "class_incremental", .classes_per_task = 2}, data);
  Rig rig(network, *data.train, *data.test,
          {.row = find_learner("derpp"),
           .learner = options.get(),
           .training = kOneByOne,
           .seeds = Seeds(5),
           .grant = scenario.grant(),
           .train_transform = {.size = 16, .normalize = "imagenet"},
           .test_transform = {.size = 16, .normalize = "imagenet"},
           .data_threads = 1});
  Stream stream = scenario.stream();
  const Task task = *stream.next();
  rig.learner().begin_task(task, rig.trainer());
  const Heard heard;
  rig.learner().loss(*Loader(*task.train, rig.test_feed(), rig.pool(), 4).next(), {.rate = rate});
  return heard.text();
}

TEST(Derpp, WarnsOfARateThatIsForSmallUntrainedNetworks) {
  const auto vit = random_vit();
  EXPECT_TRUE(contains(said_at(*vit, 0.03), "training.lr is 0.03: with replayed scores a"));
  EXPECT_EQ(said_at(*vit, 0.003), "");
  EXPECT_EQ(said_at(*vit, 0.03, {"alpha=0"}), "");
  EXPECT_EQ(said_at(*toy_mlp(ToySource::kSide), 0.03), "");
}

// New samples compete among the classes of their batch, memory samples among all.
TEST(ErAce, MasksNewSamplesOnly) {
  OneRemembered world("er_ace", {});
  const Batch past = world.sample(0);
  world.toy.learner->observe(past, world.toy.trainer);
  const Batch now = world.toy.batch(*world.toy.task->train);
  EXPECT_EQ(now.target.min().item<int64_t>(), 2);
  const double expected = cross_entropy_of(world.scores(now), now.target, 2, 4) +
                          cross_entropy_of(world.scores(past), past.target, 0, 4);
  EXPECT_NEAR(world.toy.learner->loss(now, {}).item<double>(), expected, 1e-4 * expected);
  // One class alone: nothing competes with it.
  const Batch one = world.sample(1);
  EXPECT_NEAR(world.toy.learner->loss(one, {}).item<double>(),
              cross_entropy_of(world.scores(past), past.target, 0, 4), 1e-4);
}

// T² Σ p_before log(p_before / p_now), p = softmax(z / T), over some columns: mean over samples.
double divergence(const Tensor& before, const Tensor& now, double t, int64_t from, int64_t to) {
  const Tensor p = at::log_softmax(before.slice(1, from, to).to(at::kDouble) / t, 1);
  const Tensor q = at::log_softmax(now.slice(1, from, to).to(at::kDouble) / t, 1);
  return (at::exp(p) * (p - q)).sum(1).mean().item<double>() * t * t;
}

class LwfIn : public testing::TestWithParam<const char*> {};
TEST_P(LwfIn, DistilsEarlierClasses) {
  ToyCourse toy("lwf", {"temperature=3", "strength=0.7"}, GetParam());
  toy.learn();
  toy.learn();
  const bool told = toy.scenario.grant().task_id_at_test;
  const Batch batch = toy.batch(toy.scenario.train(2));
  NoGrad no_grad;
  const auto said = [&] {
    const auto state = toy.state();
    return at::linear(toy.network->features(batch.input), state.at("head.weight"),
                      state.at("head.bias"));
  };
  const Tensor before = said();
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  stir(*toy.learner);
  const Tensor now = said();
  double repeated = 0;
  if (told) {
    repeated = divergence(before, now, 3, 0, 2) + divergence(before, now, 3, 2, 4);
  } else {
    repeated = divergence(before, now, 3, 0, 4);
  }
  ASSERT_GT(repeated, 1e-3);
  const double expected = cross_entropy_of(now, batch.target, told ? 4 : 0, 6) + 0.7 * repeated;
  EXPECT_NEAR(toy.learner->loss(batch, {}).item<double>(), expected, 1e-4 * expected);
}
INSTANTIATE_TEST_SUITE_P(Scenarios, LwfIn,
                         testing::Values("class_incremental", "task_incremental"));

// Σ_c -w_c log σ(z_c) - (1 - w_c) log(1 - σ(z_c)); w is what the earlier network says of its
// classes, and whether the sample is of the class for the others.
TEST(ICarl, IsBinaryCrossEntropyWithEarlierAnswers) {
  ToyCourse toy("icarl", {"memory=12"}, "class_incremental");
  toy.learn();
  const Batch batch = toy.batch(toy.scenario.train(1));
  NoGrad no_grad;
  const auto said = [&] {
    const auto state = toy.state();
    return at::linear(toy.network->features(batch.input), state.at("head.weight"),
                      state.at("head.bias"))
        .to(at::kDouble);
  };
  const Tensor before = said();
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  stir(*toy.learner);
  const Tensor p = at::sigmoid(said());
  Tensor wanted = at::one_hot(batch.target, 4).to(at::kDouble);
  wanted.slice(1, 0, 2).copy_(at::sigmoid(before));
  const double expected =
      -(wanted * p.log() + (1 - wanted) * (1 - p).log()).sum(1).mean().item<double>();
  EXPECT_NEAR(toy.learner->loss(batch, {}).item<double>(), expected, 1e-4 * expected);
}

TEST(ICarl, PredictsTheNearestMeanOfTheMemory) {
  ToyCourse toy("icarl", {"memory=8"}, "class_incremental");
  toy.learn();
  toy.learn();
  Archive archive;
  toy.learner->state(archive);
  auto stored = std::move(archive).reopened();
  struct Memory {
    std::vector<int64_t> positions, targets;
    void state(Archive& a) {
      a("positions", positions);
      a("targets", targets);
    }
  } memory;
  stored("memory", memory);
  ASSERT_EQ(memory.positions.size(), 8u);
  const auto unit = [](const Tensor& rows) { return rows / rows.norm(2, 1, /*keepdim=*/true); };
  const Dataset all = whole(*toy.data.train);
  NoGrad no_grad;
  std::vector<Tensor> means;
  for (int64_t c = 0; c < 4; ++c) {
    std::vector<int64_t> own;
    for (size_t i = 0; i < memory.positions.size(); ++i)
      if (memory.targets[i] == c) own.push_back(memory.positions[i]);
    ASSERT_EQ(own.size(), 2u);
    means.push_back(
        unit(toy.network->features(toy.batch(all.select(own)).input).to(at::kDouble)).mean(0));
  }
  const Batch asked = toy.batch(toy.scenario.test(1));
  const Tensor features = unit(toy.network->features(asked.input).to(at::kDouble));
  const Tensor to = unit(at::stack(means));
  const Tensor distance = (features.unsqueeze(1) - to.unsqueeze(0)).square().sum(2);
  EXPECT_TRUE(at::equal(toy.learner->scores(asked).argmax(1), distance.argmin(1)));
}

TEST(ICarl, RefusesAMemoryWithoutASampleOfEveryClass) {
  for (const char* learner : {"icarl", "der", "foster", "coil", "memo"}) {
    ToyCourse toy(learner, {"memory=3"}, "class_incremental", {.epochs = 1, .batch_size = 8});
    toy.learn();
    EXPECT_PRED2(contains, error_of(ErrorKind::recipe, [&] { toy.learn(); }),
                 "learner.memory is 3, and there are 4 classes by task 2")
        << learner;
  }
}

// q <- q s_max (cosh(s e) + 1) / (s (cosh(e) + 1)) (equation 6): what the gate's slope lost.
TEST(Hat, CompensatesForTheAnnealedGate) {
  ToyCourse toy("hat", {"steepness=40"});
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const Step step{.step = 2, .steps = 11};
  const double s = 1.0 / 40 + (40 - 1.0 / 40) * 0.2;
  toy.learner->loss(toy.batch(*toy.task->train), step).backward();
  const auto embeddings = toy.learner->trainable().at(1).tensors;
  std::vector<Tensor> raw;
  for (const auto& e : embeddings) raw.push_back(e.grad().to(at::kDouble).clone());
  toy.learner->after_backward(step);
  ASSERT_EQ(embeddings.size(), 2u);
  for (size_t l = 0; l < 2; ++l) {
    const Tensor e = embeddings[l].detach().to(at::kDouble);
    const Tensor slope = (at::clamp(e * s, -50, 50).cosh() + 1) / (e.cosh() + 1);
    EXPECT_LT(relative_error(embeddings[l].grad(), raw[l] * slope * (40 / s)), 1e-4);
  }
}

}  // namespace
}  // namespace patina

// Methods for single-pass streams with a pre-trained network, compared with their papers.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "patina/base/json.h"
#include "patina/learners/online/bias_adaptor.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_course.h"

namespace patina {
namespace {

const TrainingOptions kOnce{.epochs = 1, .batch_size = 8};

// If the batch has one sample, its gradient is the sample's own: nothing is ignored, and terms
// weighted by ignorance are zero.
TEST(Mvp, CountsSamplesThatTheBatchForgets) {
  const auto loss_of = [](double ignored, int64_t samples) {
    ToyCourse toy("mvp", {fmt::format("ignored={}", ignored), "pool=2"}, "class_incremental",
                  kOnce);
    toy.task = *toy.stream.next();
    toy.learner->begin_task(*toy.task, toy.trainer);
    std::vector<int64_t> rows;
    for (int64_t i = 0; i < samples; ++i) rows.push_back(i);
    return toy.learner->loss(toy.batch(toy.task->train->select(rows)), {}).item<double>();
  };
  const double distance = loss_of(1, 1), plain = loss_of(0, 1) - distance;
  EXPECT_GT(plain, 0.1);
  EXPECT_NEAR(loss_of(0.5, 1) - distance, 0.5 * plain, 1e-5);
  EXPECT_GT(std::abs(loss_of(1, 12) - loss_of(0, 12)), 1e-3);
}

// How often training chose each expert. The distance to experts that were chosen often is
// increased, so that all are trained. Otherwise the expert that is nearest once comes nearer with
// every step.
TEST(Mvp, SpreadsItsExperts) {
  const auto chosen = [](const std::string& spread) {
    ToyCourse toy("mvp", {"pool=3", "spread=" + spread}, "online_hard", kOnce);
    for (int task = 0; task < 3; ++task) toy.learn();
    const auto path = scratch_folder("mvp") / "state";
    Archive saved;
    toy.learner->state(saved);
    saved.write(path);
    std::vector<int64_t> counts;
    auto stored = Archive::read(path);
    stored("chosen_before", counts);
    return counts;
  };
  const auto spread = chosen("true"), nearest = chosen("false");
  EXPECT_EQ(std::accumulate(spread.begin(), spread.end(), int64_t{0}), 72) << "each sample once";
  EXPECT_GE(std::ranges::min(spread), 72 / 6);
  EXPECT_LT(std::ranges::min(nearest), 72 / 6);
}

TEST(Mvp, CountsWhatItsScoresChoseSinceTheLastStep) {
  ToyCourse toy("mvp", {"pool=3"}, "online_hard", kOnce);
  toy.learn();
  EXPECT_TRUE(toy.learner->diagnostics().is_null()) << "nothing was asked since the last step";
  const int64_t asked = toy.scores(0).size(0) + toy.scores(1).size(0);
  const auto counts = toy.learner->diagnostics()["histogram"].get<std::vector<int64_t>>();
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), int64_t{0}), asked);
}

TEST(BiasAdaptor, ChangesNothingAtFirst) {
  BiasAdaptor adaptor;
  adaptor.grow(3, 8, Seeds(1)("adaptor"));
  const Tensor z = random_tensor({5, 3}, 2);
  EXPECT_TRUE(at::equal(adaptor(z), z));
}

TEST(BiasAdaptor, PullsGradientsBackAsAutogradDoes) {
  BiasAdaptor adaptor;
  adaptor.grow(3, 8, Seeds(1)("adaptor"));
  adaptor.grow(2, 8, Seeds(1)("more"));
  for (const auto& tensor : adaptor.tensors()) {
    NoGrad no_grad;
    tensor.add_(random_tensor(tensor.sizes().vec(), 3, 0.3));
  }
  const Tensor z = random_tensor({6, 5}, 4).requires_grad_(true), d = random_tensor({6, 5}, 5);
  (adaptor(z) * d).sum().backward();
  EXPECT_LT(relative_error(adaptor.pulled_back(z.detach(), d), z.grad()), 1e-5);
  // The result is differentiable by the adaptor's parameters: this is how the adaptor is trained.
  adaptor.pulled_back(z.detach(), d).square().sum().backward();
  EXPECT_GT(adaptor.tensors()[2].grad().abs().max().item<float>(), 0);
}

TEST(Cba, AsksTheHeadAloneAtTest) {
  ToyCourse toy("cba", {"memory=6"}, "online_hard", kOnce);
  toy.learn();
  toy.learn();
  const auto state = toy.state();
  EXPECT_GT(state.at("adaptor.out").abs().max().item<float>(), 0) << "the adaptor has learned";
  const Batch batch = toy.batch(toy.scenario.test(0));
  NoGrad no_grad;
  const Tensor scores = at::linear(toy.network->features(batch.input), state.at("head.weight"),
                                   state.at("head.bias"));
  EXPECT_LT(relative_error(toy.learner->scores(batch), scores), 1e-6);
}

TEST(FlyPrompt, BeginsAnExpertWithTheMeanOfTheEarlierPrompts) {
  ToyCourse toy("flyprompt", {"projection=50"}, "online_hard", kOnce);
  toy.learn();
  toy.learn();
  const auto before = toy.state();
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const auto now = toy.state();
  int64_t prompts = 0;
  for (const auto& [name, tensor] : now) {
    if (!name.starts_with("expert_2.prefix.")) continue;
    const std::string of = name.substr(std::string("expert_2").size());
    const Tensor mean = (before.at("expert_0" + of) + before.at("expert_1" + of)) / 2;
    EXPECT_LT(relative_error(tensor, mean), 1e-6) << name;
    ++prompts;
  }
  EXPECT_GT(prompts, 0);
  EXPECT_TRUE(
      at::equal(now.at("expert_2.head.weight").slice(0, 0, 4), before.at("expert_1.head.weight")));
  EXPECT_EQ(now.at("expert_2.head.weight").size(0), 6);
  EXPECT_EQ(now.at("expert_0.head.weight").size(0), 2);
}

TEST(FlyPrompt, CountsSamplesWhereTasksAreNotTold) {
  ToyCourse toy("flyprompt", {"projection=50", "samples_per_expert=30"}, "si_blurry", kOnce);
  while (const auto task = toy.stream.next())
    toy.trainer.learn(*toy.learner, *task, toy.scenario.grant());
  const auto state = toy.state();
  EXPECT_TRUE(state.contains("expert_2.head.weight")) << "of 72 samples";
  EXPECT_FALSE(state.contains("expert_3.head.weight"));
}

// Features of a class are close to each other here, so samples find the expert that learned them.
TEST(FlyPrompt, SendsSamplesToTheirExpert) {
  ToyCourse toy("flyprompt", {"projection=200", "penalty=1"}, "online_hard", kOnce);
  for (int i = 0; i < 3; ++i) toy.learn();
  for (int task = 0; task < 3; ++task) toy.scores(task);
  const Json said = toy.learner->diagnostics();
  int64_t least = 1 << 20;
  for (const auto& count : said["histogram"]) least = std::min(least, count.get<int64_t>());
  EXPECT_EQ(said["histogram"].size(), 3u);
  EXPECT_GE(least, 4) << "of 8 samples of each task";
}

}  // namespace
}  // namespace patina

// Methods that were made for streams of texts, compared with their papers' formulas on numbers
// computed by hand or from the learner's state.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/checkpoint/load.h"
#include "patina/learners/isolation/contrast.h"
#include "patina/learners/isolation/masked_adapters.h"
#include "patina/memory/k_means.h"
#include "patina/memory/kept_inputs.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_course.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

const TrainingOptions kAdam{.epochs = 2,
                            .batch_size = 8,
                            .optimizer = {.optimizer = "adam", .lr = 0.01, .schedule = "constant"}};

double cross_entropy_of(const Tensor& scores, const Tensor& target) {
  return nn::cross_entropy(scores.to(at::kDouble), target).item<double>();
}

/// The head of a state, on features.
Tensor by_head(const std::map<std::string, Tensor>& state, const Tensor& features) {
  return at::linear(features, state.at("head.weight"), state.at("head.bias"));
}

TEST(KeptInputs, GiveBackWhatTheyWereGiven) {
  KeptInputs texts;
  const Input batch(tensor_of(std::vector<int64_t>{1, 7, 2, 0, 1, 8, 9, 2}).reshape({2, 4}),
                    tensor_of(std::vector<int64_t>{1, 1, 1, 0, 1, 1, 1, 1}).reshape({2, 4}));
  texts.set(0, batch, 0);
  texts.set(1, batch, 1);
  EXPECT_TRUE(
      at::equal(texts.at({1, 0}).data, batch.at(tensor_of(std::vector<int64_t>{1, 0})).data));
  EXPECT_EQ(texts.at({0}).data.size(1), 3) << "without the padding of the longer text";
  texts.set(0, batch, 1);
  EXPECT_EQ(items_of(texts.at({0}).data.flatten().contiguous()),
            (std::vector<int64_t>{1, 8, 9, 2}));
  Archive saved;
  saved("kept", texts);
  Archive stored = std::move(saved).reopened();
  KeptInputs again;
  stored("kept", again);
  EXPECT_TRUE(at::equal(again.at({0, 1}).data, texts.at({0, 1}).data));
  EXPECT_TRUE(at::equal(again.at({0, 1}).mask, texts.at({0, 1}).mask));
  KeptInputs images;
  const Input pixels = random_tensor({2, 3, 4, 4}, 1);
  images.set(0, pixels, 1);
  EXPECT_TRUE(at::equal(images.at({0}).data, pixels.data.slice(0, 1, 2)));
}

TEST(ClusterRepresentatives, AreNearestToTheCentres) {
  // Three clusters; their means are 1, 11 and 31.
  const Tensor rows = rows_of({0, 1, 2, 10, 11, 12, 31}, 1);
  EXPECT_EQ(cluster_representatives(rows, 3, Random(1, 0)), (std::vector<int64_t>{1, 4, 6}));
  EXPECT_EQ(cluster_representatives(rows, 9, Random(1, 0)).size(), 7u);
  const Tensor same = at::zeros({4, 2});
  EXPECT_EQ(cluster_representatives(same, 2, Random(1, 0)).size(), 2u) << "each another row";
}

/// The target of each stored input, by the training sample with the same pixels.
Tensor targets_of(ToyCourse& toy, const Tensor& inputs) {
  const Batch all = toy.batch(toy.scenario.train(0));
  std::vector<int64_t> targets;
  for (int64_t s = 0; s < inputs.size(0); ++s)
    for (int64_t i = 0; i < all.size(); ++i)
      if (at::equal(all.input.pixels()[i], inputs[s]))
        targets.push_back(all.target[i].item<int64_t>());
  return tensor_of(targets);
}

// The first step of Adam moves every weight by the rate against the sign of its gradient, and the
// pull has no gradient there.
TEST(Mbpa, AdaptsTheHeadToTheNearestKeys) {
  ToyCourse toy("mbpa", {"neighbours=3", "steps=1", "rate=0.05", "adapts=\"head\""});
  const auto initial = toy.network->clone();
  toy.learn();
  const auto state = toy.state();
  const Tensor keys = state.at("keys"), inputs = state.at("inputs.data");
  const Tensor targets = targets_of(toy, inputs);
  ASSERT_EQ(targets.size(0), toy.scenario.train(0).size());
  const Batch asked = toy.batch(toy.scenario.test(0));
  const Tensor scores = toy.scores(0);
  NoGrad no_grad;
  for (int64_t i = 0; i < asked.size(); ++i) {
    const Tensor key = initial->features(asked.input.slice(i, i + 1));
    const auto [distance, order] = at::sort((keys - key).square().sum(1), true, 0, false);
    const Tensor near = order.slice(0, 0, 3), own = targets.index_select(0, near);
    const Tensor f = toy.network->features(inputs.index_select(0, near));
    const Tensor p = at::softmax(by_head(state, f), 1);
    const Tensor error = p - at::one_hot(own, p.size(1)).to(at::kFloat);
    const Tensor weight = state.at("head.weight") - at::matmul(error.t(), f).sign() * 0.05;
    const Tensor bias = state.at("head.bias") - error.sum(0).sign() * 0.05;
    const Tensor expected =
        at::linear(toy.network->features(asked.input.slice(i, i + 1)), weight, bias);
    EXPECT_LT(relative_error(scores.slice(0, i, i + 1), expected), 1e-3) << i;
  }
}

TEST(Mbpa, AdaptsACopyOfTheNetworkAndLeavesIt) {
  ToyCourse toy("mbpa", {"neighbours=8", "steps=3", "rate=0.01"});
  toy.learn();
  const std::string before = content_hash(nn::tensors(*toy.network));
  const Tensor scores = toy.scores(0);
  EXPECT_EQ(content_hash(nn::tensors(*toy.network)), before);
  const Batch batch = toy.batch(toy.scenario.test(0));
  Question one = batch;
  one.task = at::zeros({batch.size()}, at::kLong);
  EXPECT_LT(relative_error(toy.learner->scores(one.slice(2, 3)), scores.slice(0, 2, 3)), 1e-4);
  EXPECT_GT(relative_error(scores, by_head(toy.state(), toy.network->features(batch.input))), 1e-3);
}

TEST(Mbpa, ReplaysOnceInSoManySamples) {
  ToyCourse toy("mbpa", {"replay_every=20", "replay=1000"}, "class_incremental",
                {.epochs = 1, .batch_size = 24});
  toy.learn();
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const auto state = toy.state();
  const Tensor inputs = state.at("inputs.data");
  const Batch now = toy.batch(toy.task->train->select({0, 1}));  // samples 25 and 26
  const auto plain = [&](const Input& input, const Tensor& target) {
    return cross_entropy_of(by_head(state, toy.network->features(input)), target);
  };
  const double alone = plain(now.input, now.target);
  EXPECT_NEAR(toy.learner->loss(now, {}).item<double>(), alone, 1e-5);
  const Batch more =
      toy.batch(toy.task->train->select({0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13}));
  const double past = plain(inputs, targets_of(toy, inputs));
  EXPECT_NEAR(toy.learner->loss(more, {}).item<double>(), plain(more.input, more.target) + past,
              1e-5);
  EXPECT_NEAR(toy.learner->loss(now, {}).item<double>(), alone, 1e-5) << "not in every step";
}

// Steps of the head on the first two parts of a batch, then the last part's loss.
TEST(OmlEr, LossIsTheQuerysUnderTheHeadThatTookItsSteps) {
  ToyCourse toy("oml_er", {"support=2", "inner_rate=0.3"}, "class_incremental", kAdam);
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const auto state = toy.state();
  const Batch batch = toy.batch(toy.scenario.train(0).select({0, 1, 2, 3, 4, 5}));
  Tensor weight = state.at("head.weight").clone(), bias = state.at("head.bias").clone();
  const Tensor f = toy.network->features(batch.input).detach();
  for (const int64_t from : {0, 2}) {
    const Tensor own = f.slice(0, from, from + 2), target = batch.target.slice(0, from, from + 2);
    const Tensor w = weight.clone().requires_grad_(true), b = bias.clone().requires_grad_(true);
    nn::cross_entropy(at::linear(own, w, b), target).backward();
    weight = weight - w.grad() * 0.3;
    bias = bias - b.grad() * 0.3;
  }
  const double expected =
      cross_entropy_of(at::linear(f.slice(0, 4), weight, bias), batch.target.slice(0, 4));
  EXPECT_NEAR(toy.learner->loss(batch, {}).item<double>(), expected, 1e-5);
  EXPECT_GT(std::abs(expected -
                     cross_entropy_of(by_head(state, f.slice(0, 4)), batch.target.slice(0, 4))),
            1e-3);
}

TEST(AdapterCl, AnswersByTheTaskOfTheLeastEntropy) {
  ToyCourse toy("adapter_cl", {}, "class_incremental", kAdam);
  toy.learn();
  toy.learn();
  const Tensor scores = toy.scores(0);
  const auto finite = scores.isfinite();
  for (int64_t i = 0; i < scores.size(0); ++i) {
    const auto row = finite[i].to(at::kLong);
    const auto flags = items_of(row.contiguous());
    EXPECT_TRUE(flags == (std::vector<int64_t>{1, 1, 0, 0}) ||
                flags == (std::vector<int64_t>{0, 0, 1, 1}));
  }
  EXPECT_TRUE(contains(error_of([] { ToyCourse("adapter_cl", {"identity=\"perplexity\""}); }),
                       "needs a network that predicts words from those before"));
}

// Words that only one task's adapters have met are less surprising under them.
TEST(AdapterCl, FindsATextsTaskByPerplexity) {
  static const ToyWorld gpt = on_texts("gpt2");
  const auto network = gpt.network("adapter_cl");
  ToyDrive drive("adapter_cl", toy_recipe("adapter_cl", 8, 0, {"learner.identity=\"perplexity\""}),
                 gpt.data(), *network);
  int64_t right = 0, asked = 0;
  for (int task = 0; task < 2; ++task) drive.learn(*drive.stream.next());
  for (int task = 0; task < 2; ++task) {
    const Batch batch = drive.test_batch(task);
    const Tensor scores = drive.learner->scores(batch);
    right += scores.argmax(1).div(2, "floor").eq(task).sum().item<int64_t>();
    asked += batch.size();
    EXPECT_LT(relative_error(
                  drive.learner->scores(Question(batch).slice(1, 2))
                      .slice(1, task * 2, task * 2 + 2)
                      .isfinite()
                      .to(at::kFloat),
                  scores.slice(0, 1, 2).slice(1, task * 2, task * 2 + 2).isfinite().to(at::kFloat)),
              1e-6)
        << "whatever the padding";
  }
  EXPECT_GT(double(right) / double(asked), 0.7);
}

TEST(Epi, FindsTheTaskOfTheNearestClass) {
  ToyCourse toy("epi", {"length=2"}, "class_incremental", kAdam);
  toy.learn();
  toy.learn();
  const auto state = toy.state();
  NoGrad no_grad;
  // Σ: the mean over tasks of the covariance within classes.
  Tensor sum = at::zeros({toy.network->width(), toy.network->width()}, at::kDouble);
  std::vector<Tensor> means;
  for (int t = 0; t < 2; ++t) {
    const Batch batch = toy.batch(toy.scenario.train(t));
    const Tensor f = toy.network->features(batch.input).to(at::kDouble);
    for (int64_t c = 2 * t; c < 2 * t + 2; ++c) {
      const Tensor own = f.index_select(0, (batch.target == c).nonzero().flatten());
      means.push_back(own.mean(0));
      const Tensor centred = own - own.mean(0);
      sum = sum + at::matmul(centred.t(), centred) / double(f.size(0));
    }
  }
  const Tensor inverse = at::linalg_pinv(sum / 2, true);
  for (int t = 0; t < 2; ++t) {
    const Batch batch = toy.batch(toy.scenario.test(t));
    const Tensor f = toy.network->features(batch.input).to(at::kDouble);
    const Tensor scores = toy.scores(t);
    for (int64_t i = 0; i < f.size(0); ++i) {
      std::vector<double> distance;
      for (const auto& mean : means)
        distance.push_back(
            at::matmul(at::matmul(f[i] - mean, inverse), f[i] - mean).item<double>());
      const auto nearest = std::ranges::min_element(distance) - distance.begin();
      EXPECT_TRUE(scores[i][nearest].isfinite().item<bool>());
      EXPECT_FALSE(scores[i][nearest < 2 ? 2 : 0].isfinite().item<bool>());
    }
  }
}

TEST(ProgressivePrompts, KeepEarlierTasksAndWhatTheReparametrisationMade) {
  ToyCourse toy("progressive_prompts", {"length=2", "residual=5", "head_lr_factor=1"},
                "task_incremental", kAdam);
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  toy.learner->fit(*toy.task, toy.trainer);
  const Tensor within = toy.scores(0);
  EXPECT_TRUE(toy.state().contains("residual.down.weight"));
  toy.learner->end_task(*toy.task, toy.trainer);
  EXPECT_FALSE(toy.state().contains("residual.down.weight"));
  EXPECT_LT(relative_error(toy.scores(0).slice(1, 0, 2), within.slice(1, 0, 2)), 1e-5);
  const Tensor before = toy.scores(0).slice(1, 0, 2);
  toy.learn();
  EXPECT_TRUE(at::equal(toy.scores(0).slice(1, 0, 2), before)) << "bit by bit";
}

TEST(Capsules, AreSquashed) {
  // |v| = 5: 25/26 of the direction (0.6, 0.8).
  EXPECT_LT(relative_error(squashed(rows_of({3, 4}, 2)), rows_of({0.576923f, 0.769231f}, 2)), 1e-5);
  EXPECT_EQ(squashed(at::zeros({1, 2})).abs().max().item<float>(), 0);
}

// One token, one number, two tasks with votes 1 and -2. Round 1: p = 1/2, v = -1/2, squash(v) =
// -1/5, b = (-1/5, 2/5). Round 2: p = softmax(b), v = p1 - 2 p2.
TEST(Capsules, AreRoutedByAgreement) {
  const auto vote = [](float u) { return at::full({1, 1, 1}, u); };
  double b1 = 0, b2 = 0, v = 0;
  for (int round = 0; round < 3; ++round) {
    const double p1 = std::exp(b1) / (std::exp(b1) + std::exp(b2));
    v = p1 - 2 * (1 - p1);
    const double s = v * v / (1 + v * v) * (v < 0 ? -1 : 1);
    b1 += s;
    b2 += -2 * s;
  }
  EXPECT_NEAR(routed({vote(1), vote(-2)}).item<double>(), v, 1e-6);
  EXPECT_NEAR(routed({vote(3)}).item<double>(), 3, 1e-6) << "a first task has nothing to weigh";
}

TEST(Capsules, AreTransferredWhateverThePadding) {
  NoGrad no_grad;
  Random random(3, 0);
  std::vector<Capsule> capsules;
  for (int i = 0; i < 2; ++i) capsules.emplace_back(8, Sharing::transfer, random);
  const Tensor words = random_tensor({2, 4, 8}, 5);
  const auto read = [&](const Tensor& x) {
    std::vector<Tensor> all;
    for (const auto& capsule : capsules) all.push_back(squashed(capsule.read(x)));
    return all;
  };
  const Tensor alone = transferred(capsules, 1, read(words), {}, nullptr);
  const Tensor longer = at::cat({words, random_tensor({2, 6, 8}, 6)}, 1);
  const Tensor there = at::cat({at::ones({2, 4}), at::zeros({2, 6})}, 1);
  const Tensor padded = transferred(capsules, 1, read(longer), there, nullptr);
  EXPECT_LT(relative_error(padded.slice(1, 0, 4), alone), 1e-5);
  EXPECT_TRUE(at::equal(transferred(capsules, 1, read(words), {}, nullptr), alone));
  Random one(1, 0), two(2, 0);
  // A text of one word is shorter than every window.
  EXPECT_EQ(transferred(capsules, 1, read(words.slice(1, 0, 1)), {}, &one).size(1), 1);
}

// Adam takes steps as large along small gradients as along large ones, so that what a step changes
// must be scaled.
class MaskedAdapters : public testing::TestWithParam<const char*> {};
TEST_P(MaskedAdapters, KeepTheWeightsOfUnitsInUse) {
  ToyCourse toy(GetParam(), {"norms=false", "hidden=24"}, "task_incremental", kAdam);
  toy.learn();
  const auto before = toy.state();
  toy.learn();
  const auto after = toy.state();
  int64_t kept = 0;
  for (int i = 0; i < 4; ++i) {
    const Tensor used = before.at(fmt::format("used.{}", 3 * i + 1));
    const auto key = fmt::format("place_{}.fc1.weight", i);
    const Tensor moved = (after.at(key) - before.at(key)).abs().amax(1);  // by unit
    const Tensor free = 1 - used;
    for (int64_t u = 0; u < used.size(0); ++u) {
      kept += free[u].item<double>() < 1e-3;
      // Six steps of 0.01 at the most, scaled.
      EXPECT_LT(moved[u].item<double>(), 0.2 * free[u].item<double>() + 1e-6) << key << " " << u;
    }
    EXPECT_GT(moved.max().item<double>(), 1e-3);
  }
  EXPECT_GT(kept, 8);
}
INSTANTIATE_TEST_SUITE_P(, MaskedAdapters, testing::Values("b_cl", "ctr"));

TEST(Contrast, OfFellowsOfAClass) {
  // Rows 0 and 1 are of one class, row 2 of another: it does not count.
  const Tensor h = rows_of({1, 0, 0.6f, 0.8f, 0, 1}, 2);
  const Tensor target = tensor_of(std::vector<int64_t>{4, 4, 7});
  const double tau = 0.5;
  const double a = std::exp(0.6 / tau), b = std::exp(0.0), c = std::exp(0.8 / tau);
  const double expected = -(std::log(a / (a + b)) + std::log(a / (a + c))) / 2;
  EXPECT_NEAR(supervised_contrast(h, target, tau).item<double>(), expected, 1e-6);
  const Tensor apart = tensor_of(std::vector<int64_t>{1, 2, 3});
  EXPECT_EQ(supervised_contrast(h, apart, tau).item<double>(), 0);
}

TEST(Contrast, OfTheSameSample) {
  const Tensor a = rows_of({1, 0, 0, 1}, 2), b = rows_of({0.6f, 0.8f, 0, 1}, 2);
  const double p0 = std::exp(0.6) / (std::exp(0.6) + std::exp(0.0));
  const double p1 = std::exp(1.0) / (std::exp(1.0) + std::exp(0.8));
  EXPECT_NEAR(contrast(a, b, 1).item<double>(), -(std::log(p0) + std::log(p1)) / 2, 1e-6);
}

// Texts of one word between their first and last tokens have no parts to swap.
class OneWord : public ToyTexts {
 public:
  using ToyTexts::ToyTexts;
  Text text(int64_t i) const override { return {fmt::format("c{}w{}", label(i), i % 3), ""}; }
};

TEST(Idbr, HoldsBothPartsOfAFeature) {
  const auto network = toy_network("idbr", 6);
  ToyDrive drive("idbr",
                 toy_recipe("idbr", 2, 0,
                            {"learner.order=0", "learner.general=0.3", "learner.specific=0.7",
                             "learner.fresh_factor=2", "learner.replay_every=1000"}),
                 {"toy", std::make_unique<OneWord>(6, 6, 1), std::make_unique<OneWord>(6, 4, 2)},
                 *network);
  drive.learn(*drive.stream.next());
  const auto before = network->clone();
  const auto state = [&] {
    Archive archive;
    drive.learner->state(archive);
    return archive.tensors();
  };
  const auto then = state();
  const Task second = *drive.stream.next();
  drive.learner->begin_task(second, drive.trainer);
  {
    NoGrad no_grad;
    for (const auto& group : drive.learner->trainable())
      for (const auto& tensor : group.tensors)
        tensor.add_(random_tensor(tensor.sizes().vec(), 3, 0.05));
  }
  const Batch batch = drive.test_batch(1);
  const auto now = state();
  const auto part = [&](const Backbone& of, const auto& from, const char* name) {
    const std::string key = std::string("parts.") + name;
    return at::tanh(
        at::linear(of.features(batch.input), from.at(key + ".weight"), from.at(key + ".bias")));
  };
  NoGrad no_grad;
  const Tensor g = part(*network, now, "general"), s = part(*network, now, "specific");
  const double moved = 0.3 * (g - part(*before, then, "general")).square().mean().item<double>() +
                       0.7 * (s - part(*before, then, "specific")).square().mean().item<double>();
  ASSERT_GT(moved, 1e-3);
  const Tensor scores = at::linear(at::cat({g, s}, 1), now.at("head.weight"), now.at("head.bias"));
  EXPECT_NEAR(drive.learner->loss(batch, {}).item<double>(),
              cross_entropy_of(scores, batch.target) + 2 * moved, 1e-4);
}

TEST(Idbr, KeepsTheCentresOfClustersAndReplaysEachTask) {
  const auto network = toy_network("idbr", 6);
  ToyDrive drive("idbr",
                 toy_recipe("idbr", 2, 0, {"learner.memory_per_task=3", "learner.replay_every=1"}),
                 kTexts.data(), *network);
  for (int task = 0; task < 3; ++task) drive.learn(*drive.stream.next());
  const Batch first = drive.test_batch(0);
  EXPECT_GT(drive.found(first, 0).eq(first.target).to(at::kFloat).mean().item<float>(), 0.4);
}

}  // namespace
}  // namespace patina

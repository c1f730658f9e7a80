// Methods that add networks, or parts of one, for every task, compared with their papers.
#include <gtest/gtest.h>

#include "patina/ops.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_course.h"

namespace patina {
namespace {

const TrainingOptions kShort{.epochs = 2, .batch_size = 8};
const std::string kClasses = "class_incremental";

TEST(Foster, BeginsATaskWithWhatTheLastWasDistilledInto) {
  ToyCourse toy("foster", {"compress_epochs=2"}, kClasses, kShort);
  toy.learn();
  EXPECT_FALSE(toy.state().contains("student_head.weight")) << "nothing to distil in one network";
  toy.learn();
  const auto before = toy.state();
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const auto now = toy.state();
  int64_t tensors = 0;
  for (const auto& [name, tensor] : before) {
    if (!name.starts_with("student.")) continue;
    const std::string of = name.substr(std::string("student.").size());
    EXPECT_TRUE(at::equal(now.at("teacher.network." + of), tensor)) << of;
    EXPECT_TRUE(at::equal(now.at("newest." + of), tensor)) << of;
    ++tensors;
  }
  EXPECT_EQ(tensors, 4) << "of an MLP of two layers";
  // In rows of earlier classes the new network's features have weight zero.
  const Tensor head = now.at("head.weight");
  const int64_t width = toy.network->width();
  EXPECT_TRUE(at::equal(head.slice(0, 0, 4).slice(1, 0, width), before.at("student_head.weight")));
  EXPECT_EQ(head.slice(0, 0, 4).slice(1, width).abs().max().item<float>(), 0);
}

TEST(Foster, LeavesTheOldNetworkAloneWhileItBoosts) {
  ToyCourse toy("foster", {"compress_epochs=1"}, kClasses, kShort);
  toy.learn();
  const auto before = toy.state();
  toy.learn();
  const auto after = toy.state();
  for (const auto& [name, tensor] : before) {
    if (!name.starts_with("newest.")) continue;
    const std::string of = name.substr(std::string("newest.").size());
    EXPECT_TRUE(at::equal(after.at("teacher.network." + of), tensor)) << of;
    EXPECT_FALSE(at::equal(after.at(name), tensor)) << of;
    EXPECT_FALSE(at::equal(after.at("student." + of), tensor)) << of;
  }
}

TEST(Foster, PredictsByOneNetworkOrByTwo) {
  for (const std::string by : {"student", "boosted"}) {
    ToyCourse toy("foster", {"compress_epochs=1", "predict=" + by}, kClasses, kShort);
    toy.learn();
    toy.learn();
    const auto state = toy.state();
    const Batch batch = toy.batch(toy.scenario.test(1));
    const auto copy = toy.network->clone();
    const auto features = [&](const std::string& name) {
      NoGrad no_grad;
      for (auto& item : nn::tensors(*copy)) item.tensor.copy_(state.at(name + item.name));
      return copy->features(batch.input).clone();
    };
    const bool student = by == "student";
    const Tensor read = student ? features("student.")
                                : at::cat({features("teacher.network."), features("newest.")}, 1);
    const std::string head = student ? "student_head." : "head.";
    const Tensor scores = at::linear(read, state.at(head + "weight"), state.at(head + "bias"));
    EXPECT_LT(relative_error(toy.learner->scores(batch), scores), 1e-5) << by;
  }
}

TEST(Memo, SharesAllButTheLastBlock) {
  ToyCourse toy("memo", {}, kClasses, kShort);
  toy.learn();
  const auto before = toy.state();
  toy.learn();
  const auto after = toy.state();
  const std::string last = fmt::format("newest.blocks.{}.", toy.network->layers() - 1);
  int64_t moved = 0;
  for (const auto& [name, tensor] : before) {
    if (!name.starts_with("newest.")) continue;
    const bool own = name.starts_with(last) || name.starts_with("newest.norm.");
    EXPECT_EQ(!at::equal(after.at(name), tensor), own) << name;
    const std::string kept = "network_0." + name.substr(std::string("newest.").size());
    EXPECT_EQ(after.contains(kept), own) << name;
    if (own) {
      EXPECT_TRUE(at::equal(after.at(kept), tensor)) << name;
    }
    moved += own;
  }
  EXPECT_GT(moved, 10);
}

// In training the shared blocks are computed once; for scores every network is computed as a whole.
TEST(Memo, TrainsOnWhatItScores) {
  ToyCourse toy("memo", {"auxiliary=0"}, kClasses, kShort);
  for (int i = 0; i < 3; ++i) toy.learn();
  const Batch batch = toy.batch(*toy.task->train);
  const Tensor log_p = at::log_softmax(toy.learner->scores(batch), 1);
  const double expected = -log_p.gather(1, batch.target.unsqueeze(1)).mean().item<double>();
  EXPECT_NEAR(toy.learner->loss(batch, {}).item<double>(), expected, 1e-5);
}

TEST(Coil, BeginsFreshRowsWithWhatIsCarriedToThem) {
  ToyCourse toy("coil", {}, kClasses, kShort);
  toy.learn();
  const Tensor old = toy.state().at("head.weight");
  toy.task = *toy.stream.next();
  toy.learner->begin_task(*toy.task, toy.trainer);
  const auto state = toy.state();
  const Tensor fresh = state.at("head.weight").slice(0, 2);
  EXPECT_TRUE(at::equal(fresh, state.at("forward")));
  const auto mean_length = [](const Tensor& rows) {
    return rows.square().sum(1).sqrt().mean().item<double>();
  };
  EXPECT_NEAR(mean_length(fresh), mean_length(old), 1e-5);
}

TEST(Progressive, ChangesNothingOfEarlierTasks) {
  ToyCourse toy("progressive", {}, "task_incremental", kShort);
  toy.learn();
  const Tensor before = toy.scores(0);
  const Tensor initial = toy.network->features(toy.batch(toy.scenario.test(0)).input);
  toy.learn();
  toy.learn();
  const Tensor after = toy.scores(0);
  EXPECT_TRUE(at::equal(after.slice(1, 0, 2), before));
  EXPECT_TRUE(at::all(after.slice(1, 2) < -1e30).item<bool>()) << "of other tasks' classes";
  EXPECT_TRUE(at::equal(toy.network->features(toy.batch(toy.scenario.test(0)).input), initial));
}

// h2 = relu(W h1 + U relu(V [α_j h1_j])), and the head reads earlier columns alike.
TEST(Progressive, ReadsEarlierColumns) {
  ToyCourse toy("progressive", {}, "task_incremental", kShort);
  toy.learn();
  toy.learn();
  const auto state = toy.state();
  const Batch batch = toy.batch(toy.scenario.test(1));
  const auto linear = [&](const std::string& name, const Tensor& x) {
    const auto bias = state.find(name + ".bias");
    return at::linear(x, state.at(name + ".weight"), bias == state.end() ? Tensor() : bias->second);
  };
  const auto lateral = [&](int64_t i, const Tensor& below) {
    const std::string name = fmt::format("column_1.laterals.{}", i);
    return linear(name + ".up",
                  at::relu(linear(name + ".down", below * state.at(name + ".scale"))));
  };
  NoGrad no_grad;
  const Tensor x = batch.input.pixels().flatten(1);
  const Tensor a1 = at::relu(linear("column_0.layers.0", x));
  const Tensor a2 = at::relu(linear("column_0.layers.1", a1));
  const Tensor b1 = at::relu(linear("column_1.layers.0", x));
  const Tensor b2 = at::relu(linear("column_1.layers.1", b1) + lateral(0, a1));
  const Tensor scores =
      at::linear(b2, state.at("heads.weights.1"), state.at("heads.biases.1")) + lateral(1, a2);
  EXPECT_LT(relative_error(toy.scores(1).slice(1, 2, 4), scores), 1e-5);
}

}  // namespace
}  // namespace patina

// The classical methods on a small MLP against numbers computed in double from their papers'
// equations (tools/fixtures/classical.py): informations, importances, projected gradients, gates,
// losses, and the weights after training with them.
#include <gtest/gtest.h>

#include <algorithm>

#include "patina/models/vision/mlp.h"
#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/fixture_images.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

const Reference& classical() {
  static const Reference file(fixture_folder(Fixtures::small) / "classical.safetensors");
  return file;
}

std::unique_ptr<Source> images() {
  return std::make_unique<FixtureImages>(classical()("images"), classical()("targets"), 6);
}

/// Three tasks of two classes, driven call by call; the weights that training begins with are the
/// fixture's. A batch is a whole task.
struct Course {
  Course(const std::string& name, const std::vector<std::string>& settings,
         const OptimizerOptions& optimizer, int64_t steps,
         const std::string& scenario_name = "class_incremental")
      : scenario(make_scenario(
            {.name = scenario_name, .classes_per_task = 2, .class_order_seed = -1}, data)),
        stream(scenario.stream()),
        options(bound_options(name, settings)),
        rig(network, *data.train, *data.test,
            {.row = find_learner(name),
             .learner = options.get(),
             .training = {.epochs = steps, .batch_size = 1024, .optimizer = optimizer},
             .grant = scenario.grant(),
             .train_transform = kTransform,
             .test_transform = kTransform,
             .data_threads = 1}) {
    NoGrad no_grad;
    for (auto& item : nn::tensors(network)) item.tensor.copy_(classical()(item.name));
  }

  /// Begins the next task with the fixture's rows for its classes.
  void begin() {
    task = *stream.next();
    learner->begin_task(*task, trainer);
    const int64_t known = task->known(), seen = int64_t(task->seen.size());
    // SI and RWalk remember where a task began: the last two of six tensors are the head's.
    change([&](const std::string& key, Tensor& tensor) {
      for (const auto& [keys, name] :
           {std::pair{std::vector{"head.weight", "start.4", "from.4"}, "head.weight"},
            {std::vector{"head.bias", "start.5", "from.5"}, "head.bias"}})
        if (std::ranges::count(keys, key) > 0)
          tensor.slice(0, known).copy_(classical()(name).slice(0, known, seen));
    });
  }
  void fit() { learner->fit(*task, trainer); }
  void end() { learner->end_task(*task, trainer); }

  /// Changes the learner's state, tensor by tensor.
  void change(const std::function<void(const std::string& key, Tensor& tensor)>& by) {
    Archive saved;
    learner->state(saved);
    for (const auto& [key, tensor] : saved.tensors()) {
      Tensor same = tensor;
      by(key, same);
    }
    Archive changed = std::move(saved).reopened();
    learner->state(changed);
  }

  /// All samples of the current task.
  Batch batch() { return *Loader(*task->train, rig.test_feed(), rig.pool(), 1024).next(); }
  std::vector<Tensor> weights() { return learner->trainable().at(0).tensors; }
  /// Gradients of the loss after what the method does with them.
  std::vector<Tensor> gradients(const Step& step = {}) {
    for (auto& group : learner->trainable())
      for (auto& tensor : group.tensors) tensor.mutable_grad() = Tensor();
    const Tensor loss = learner->loss(batch(), step);
    loss_value = loss.item<double>();
    loss.backward();
    learner->after_backward(step);
    std::vector<Tensor> list;
    for (auto& group : learner->trainable())
      for (auto& tensor : group.tensors) list.push_back(tensor.grad().clone());
    return list;
  }
  /// The tensors of a list in the state.
  std::vector<Tensor> listed(const std::string& name) {
    Archive archive;
    learner->state(archive);
    std::vector<Tensor> list;
    const auto& tensors = archive.tensors();
    for (auto at = tensors.find(name + ".0"); at != tensors.end();
         at = tensors.find(fmt::format("{}.{}", name, list.size())))
      list.push_back(at->second);
    return list;
  }

  static constexpr const char* kNormalize = "inception";
  const TransformOptions kTransform{.size = 4, .normalize = kNormalize};
  DataSplits data{"classical", images(), images()};
  Mlp network{MlpShape{.image_size = 4, .hidden = {8, 6}, .channels = 3}, kNormalize};
  Scenario scenario;
  Stream stream;
  std::unique_ptr<LearnerOptions> options;
  Rig rig;
  Trainer& trainer = rig.trainer();
  Learner* const learner = &rig.learner();
  std::optional<Task> task;
  double loss_value = 0;
};

OptimizerOptions descent(double rate, double momentum = 0) {
  return {.lr = rate, .momentum = momentum, .schedule = "constant"};
}

/// Each tensor against `name.0`, `name.1`... of the fixture, of which there are as many.
void expect_equal(const std::vector<Tensor>& actual, const std::string& name) {
  ASSERT_TRUE(classical().has(name + ".0")) << name;
  ASSERT_FALSE(classical().has(fmt::format("{}.{}", name, actual.size()))) << name;
  for (size_t i = 0; i < actual.size(); ++i)
    EXPECT_LT(error_of_largest(actual[i].detach(), classical()(fmt::format("{}.{}", name, i))),
              kFloatTolerance)
        << name << " " << i;
}
void expect_near(double actual, const std::string& name) {
  EXPECT_NEAR(actual, classical()(name).item<double>(), kFloatTolerance) << name;
}

class FisherOf : public testing::TestWithParam<const char*> {};
TEST_P(FisherOf, IsTheInformationOfSingleSamples) {
  Course course("ewc", {fmt::format("fisher={}", GetParam())}, descent(0.1), 1);
  course.begin();
  course.end();
  expect_equal(course.listed("anchor.importance"), fmt::format("fisher.{}", GetParam()));
}
INSTANTIATE_TEST_SUITE_P(Labels, FisherOf, testing::Values("labels", "exact"));

// The layers are held fast; only then is the sum convex, and its minimum known.
class EwcBalance : public testing::TestWithParam<double> {};
TEST_P(EwcBalance, EndsWhereLossAndPenaltiesAreLeast) {
  auto optimizer = descent(0.5 * (1 - GetParam()), GetParam());
  optimizer.weight_decay = 0.3;
  Course course("ewc", {"fisher=labels", "strength=4"}, optimizer, 400);
  course.begin();
  course.end();
  course.change([](const std::string& key, Tensor& tensor) {
    if (key.starts_with("anchor.importance.") && key.back() < '4') tensor.fill_(1e12);
  });
  course.begin();
  course.fit();
  const auto weights = course.weights();
  expect_equal({weights.at(4), weights.at(5)}, "ewc.balance");
}
INSTANTIATE_TEST_SUITE_P(Momenta, EwcBalance, testing::Values(0, 0.9));

TEST(SiParity, PathsImportancesAndWeightsOfTwoTasks) {
  Course course("si", {"strength=0.5", "damping=0.01"}, descent(0.1, 0.9), 3);
  for (const char* task : {"0", "1"}) {
    course.begin();
    course.fit();
    expect_equal(course.listed("path"), fmt::format("si.path.{}", task));
    expect_equal(course.weights(), fmt::format("si.weights.{}", task));
    course.end();
    expect_equal(course.listed("anchor.importance"), fmt::format("si.importance.{}", task));
  }
}

TEST(MasParity, ImportancesAndWeightsOfTwoTasks) {
  Course course("mas", {"strength=0.01"}, descent(0.1), 2);
  for (const char* task : {"0", "1"}) {
    course.begin();
    course.fit();
    expect_equal(course.weights(), fmt::format("mas.weights.{}", task));
    course.end();
    expect_equal(course.listed("anchor.importance"), fmt::format("mas.importance.{}", task));
  }
}

TEST(RWalkParity, InformationsScoresAndWeightsOfTwoTasks) {
  Course course("rwalk", {"strength=0.2", "interval=2"}, descent(0.1, 0.5), 4);
  for (const char* task : {"0", "1"}) {
    course.begin();
    course.fit();
    expect_equal(course.listed("fisher"), fmt::format("rwalk.fisher.{}", task));
    expect_equal(course.weights(), fmt::format("rwalk.weights.{}", task));
    course.end();
    expect_equal(course.listed("score"), fmt::format("rwalk.score.{}", task));
    expect_equal(course.listed("anchor.importance"), fmt::format("rwalk.importance.{}", task));
  }
}

class ProjectionParity : public testing::TestWithParam<const char*> {};
TEST_P(ProjectionParity, GradientsAfterOneAndTwoTasks) {
  const std::string method = GetParam();
  Course course(method, {}, descent(0.5), 1);
  for (int task = 0; task < 3; ++task) {
    course.begin();
    if (task > 0) expect_equal(course.gradients(), fmt::format("{}.gradient.{}", method, task));
    course.fit();
    course.end();
  }
}
INSTANTIATE_TEST_SUITE_P(Methods, ProjectionParity, testing::Values("agem", "gem"));

TEST(HatParity, LossAndGradientsBetweenTwoTasks) {
  Course course("hat", {"steepness=5"}, descent(0.05), 1, "task_incremental");
  course.begin();
  course.begin();
  course.change([](const std::string& key, Tensor& tensor) {
    for (const auto& [ours, theirs] : {std::pair{"embeddings.0", "first.0"},
                                       {"embeddings.1", "first.1"},
                                       {"embeddings.2", "second.0"},
                                       {"embeddings.3", "second.1"}})
      if (key == ours) tensor.copy_(classical()(fmt::format("hat.{}", theirs)));
  });
  // What the first task uses is read from its masks at its end; the second task's are as free.
  course.change([](const std::string& key, Tensor& tensor) {
    if (key.starts_with("used.")) tensor.copy_(classical()("hat." + key));
  });
  const auto gradients = course.gradients({.step = 2, .steps = 11});
  expect_near(course.loss_value, "hat.loss");
  expect_equal({gradients.begin(), gradients.begin() + 4}, "hat.gradient");
  expect_equal({gradients.end() - 2, gradients.end()}, "hat.embedding_gradient");
}

TEST(LwfParity, LossAndWeightsOfTheSecondTask) {
  Course course("lwf", {"strength=0.7"}, descent(0.2), 2);
  course.begin();
  course.fit();
  course.end();
  course.begin();
  course.fit();
  expect_equal(course.weights(), "lwf.weights");
  expect_near(course.learner->loss(course.batch(), {}).item<double>(), "lwf.loss");
}

TEST(DerppParity, LossAndGradientsWithAMemory) {
  Course course("derpp", {"replay_batch=100"}, descent(0.2), 1);
  course.begin();
  course.fit();
  course.end();
  course.begin();
  expect_equal(course.gradients(), "derpp.gradient");
  expect_near(course.loss_value, "derpp.loss");
}

}  // namespace
}  // namespace patina

// What an evaluation lets compete: all classes seen, or a task's own where the task is told.
#include "patina/run/evaluation.h"

#include "patina/checkpoint/load.h"
#include "patina/ops.h"
#include "tests/support/shared.h"
#include "tests/support/toy_course.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

class Measured {
 public:
  explicit Measured(const std::string& name)
      : scenario(make_scenario({.name = name, .classes_per_task = 2}, toy_.data)) {
    auto stream = scenario.stream();
    while (const auto task = stream.next()) {
      toy_.learner->begin_task(*task, toy_.trainer);
      toy_.learner->fit(*task, toy_.trainer);
      toy_.learner->end_task(*task, toy_.trainer);
      measure(task->index + 1);
    }
  }
  void measure(int after) {
    if (after == 1) evaluation.measure(*toy_.learner, toy_.trainer, 0);
    evaluation.measure(*toy_.learner, toy_.trainer, after);
  }

 private:
  ToyLearning toy_{"simplecil"};

 public:
  Scenario scenario;
  Evaluation evaluation{scenario};
};

TEST(Evaluation, LetsATasksClassesCompeteAloneWhereTheTaskIsTold) {
  const Measured all("class_incremental");
  const Measured told("task_incremental");
  EXPECT_EQ(told.scenario.name(), "task_incremental");
  bool gains = false;
  for (int after = 1; after <= 3; ++after)
    for (int task = 0; task < 3; ++task) {
      const double a = *all.evaluation.matrix().at(after, task);
      const double b = *told.evaluation.matrix().at(after, task);
      EXPECT_GE(b, a) << "fewer rivals cannot hurt";
      gains = gains || b > a;
      EXPECT_EQ(*told.evaluation.top5().at(after, task), task < after ? 1 : 0)
          << "of two classes the right one is always among the best five";
    }
  EXPECT_TRUE(gains);
  // After the first task both scenarios ask the same.
  EXPECT_EQ(*all.evaluation.matrix().at(1, 0), *told.evaluation.matrix().at(1, 0));
}

TEST(Evaluation, PredictsOnlyClassesOfTheTaskThatIsTold) {
  Measured told("task_incremental");
  const auto path = scratch_folder("told") / "predictions.safetensors";
  told.evaluation.write_predictions(path);
  const auto file = SafetensorsFile::open(path);
  const Tensor target = to_tensor(file.at("target"));
  for (int after = 1; after <= 3; ++after) {
    const Tensor predicted = to_tensor(file.at(fmt::format("after_task_{}", after)));
    for (int64_t i = 0; i < predicted.size(0); ++i) {
      const int64_t p = predicted[i].item<int64_t>(), t = target[i].item<int64_t>();
      EXPECT_EQ(p, p < 0 ? -1 : t / 2 * 2 + p % 2);
    }
  }
}

// Four classes in two domains: another class of the first domain comes close to the right one of
// the second.
class SecondDomainKnows : public Learner {
 public:
  /// Knows the class of each of these samples by what a feed makes of it.
  SecondDomainKnows(const Scenario& scenario, const Feed& feed, ThreadPool& pool) {
    for (int task = 0; task < scenario.tasks(); ++task) {
      const Dataset& test = scenario.test(task);
      const Tensor keys = input_keys(feed, test, pool);
      for (int64_t i = 0; i < test.size(); ++i)
        class_of_[keys[i][0].item<int64_t>()] = test.target(i);
    }
  }
  Tensor loss(const Batch&, const Step&) override { return {}; }
  Tensor scores(const Question& asked) const override {
    std::vector<int64_t> known;
    for (const int64_t key : items_of(asked.input.keys.select(1, 0)))
      known.push_back(class_of_.at(key));
    const Tensor target = tensor_of(known);
    const Tensor other = kClasses - 1 - target, right = kClasses + target;
    return at::one_hot(other, 2 * kClasses) * 0.5 + at::one_hot(right, 2 * kClasses);
  }
  std::vector<ParamGroup> trainable() override { return {}; }
  void state(Archive&) override {}
  static constexpr int64_t kClasses = 4;

 private:
  std::map<int64_t, int64_t> class_of_;
};

TEST(Evaluation, TakesTheBestOfAClasssDomains) {
  constexpr int64_t kClasses = SecondDomainKnows::kClasses;
  const DataSplits data{"toy", std::make_unique<ToyDomains>(kClasses, 6, 1),
                        std::make_unique<ToyDomains>(kClasses, 6, 2)};
  const Scenario scenario =
      make_scenario({.name = "domain_incremental", .domain_classes = "apart"}, data);
  const ImageFeed feed{{.size = 16, .normalize = "imagenet"}};
  ThreadPool pool{1};
  Trainer trainer({}, feed, feed, pool, Seeds(1));
  SecondDomainKnows learner(scenario, feed, pool);
  Evaluation evaluation(scenario);
  for (int after = 0; after <= scenario.tasks(); ++after)
    evaluation.measure(learner, trainer, after);
  for (int task = 0; task < scenario.tasks(); ++task) {
    EXPECT_EQ(*evaluation.matrix().at(0, task), 0) << "no class has been met";
    EXPECT_EQ(*evaluation.matrix().at(1, task), 1) << "domains to come are asked for, too";
    EXPECT_EQ(*evaluation.matrix().at(2, task), 1);
  }
}

TEST(Evaluation, EndsACurveByTheLastRow) {
  ToyCourse toy("er", {}, "si_blurry");
  Evaluation evaluation(toy.scenario);
  evaluation.measure(*toy.learner, toy.trainer, 0);
  for (int after = 1; after <= toy.scenario.tasks(); ++after) {
    toy.learn();
    evaluation.measure(*toy.learner, toy.trainer, after);
  }
  evaluation.measure_now(*toy.learner, toy.trainer);
  evaluation.end_curve(toy.trainer.observed());
  const auto& curve = evaluation.curve();
  ASSERT_EQ(curve.size(), 2u);
  EXPECT_EQ(curve[0].samples, curve[1].samples);
  EXPECT_EQ(curve[0].right, curve[1].right);
  EXPECT_EQ(curve[0].tested, curve[1].tested);
}

}  // namespace
}  // namespace patina

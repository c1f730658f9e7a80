// Which classes compete in an evaluation: all classes seen, or a task's own if the task is known.
#include "patina/run/evaluation.h"

#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/config/recipe_file.h"
#include "patina/ops.h"
#include "patina/run/run.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_course.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

// A run of one epoch; `settings` are those of its recipe.
Json short_run(const std::string& learner, const std::string& scenario, const fs::path& where,
               const std::vector<std::string>& settings) {
  std::vector<std::string> all = {"seed=3",
                                  "data.name=toy",
                                  "model.name=toy",
                                  "learner.name=" + learner,
                                  "scenario.name=" + scenario,
                                  "scenario.classes_per_task=2",
                                  "training.epochs=1",
                                  "training.weight_decay=0"};
  all.insert(all.end(), settings.begin(), settings.end());
  Recipe recipe;
  auto file = RecipeFile::parse("", "toy", all);
  file.bind(recipe);
  const DataSplits data{"toy", std::make_unique<ToyDomains>(6, 24, 1),
                        std::make_unique<ToyDomains>(6, 12, 2)};
  const auto network = toy_network(learner, 6);
  return run(recipe, data, *network, where);
}

Json run_without_learning(const std::string& learner, const std::string& scenario) {
  return short_run(learner, scenario, scratch_folder("unlearned-" + learner) / scenario,
                   {"training.lr=1e-12", "training.batch_size=8"});
}

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
    for (int task = 0; task < after; ++task) {
      const double a = *all.evaluation.matrix().at(after, task);
      const double b = *told.evaluation.matrix().at(after, task);
      EXPECT_GE(b, a) << "fewer rivals cannot hurt";
      gains = gains || b > a;
      EXPECT_EQ(*told.evaluation.top5().at(after, task), 1)
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
  /// Recognises the class of each of these samples by the output of a feed.
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
    EXPECT_FALSE(evaluation.matrix().at(0, task)) << "no class has been met";
    EXPECT_EQ(*evaluation.matrix().at(1, task), 1) << "domains to come are asked for, too";
    EXPECT_EQ(*evaluation.matrix().at(2, task), 1);
  }
}

TEST(Evaluation, LeavesTasksUndefinedWhoseClassesWereNotMet) {
  for (const char* kind : {"class_incremental", "task_incremental"}) {
    const Measured measured(kind);
    for (int after = 0; after <= 3; ++after)
      for (int task = 0; task < 3; ++task)
        for (const auto* matrix : {&measured.evaluation.matrix(), &measured.evaluation.top5()})
          EXPECT_EQ(matrix->at(after, task).has_value(), task < after) << kind;
  }
}

// A toy course whose tasks all have the same classes, measured from before its first sample.
struct ToDomains : ToyCourse {
  explicit ToDomains(const std::string& learner)
      : ToyCourse(learner, {}, "domain_incremental", {.epochs = 2, .batch_size = 8},
                  /*domains=*/true) {}
  void measure_before() {
    trainer.begin(*this->learner, first, scenario.grant());
    evaluation.measure(*this->learner, trainer, 0);
  }
  Task first = [&] {
    auto another = scenario.stream();
    return *another.next();
  }();
  Evaluation evaluation{scenario};
};

TEST(Evaluation, AsksAHeadAsItWasDrawnWhereClassesStay) {
  ToDomains toy("er");
  toy.measure_before();
  for (int task = 0; task < toy.scenario.tasks(); ++task) {
    const Dataset& test = toy.scenario.test(task);
    const Tensor found = toy.scores(task).argmax(1);
    int64_t right = 0;
    for (int64_t i = 0; i < test.size(); ++i) right += found[i].item<int64_t>() == test.target(i);
    EXPECT_EQ(toy.evaluation.matrix().at(0, task), Score(double(right) / double(test.size())));
    EXPECT_TRUE(toy.evaluation.top5().at(0, task));
  }
}

TEST(Evaluation, ARowBeforeLearningLeavesWhatIsLearnedAsItWas) {
  for (const char* learner : {"er", "ewc", "cba", "gdumb", "finetune", "mvp", "flyprompt"}) {
    ToDomains measured(learner), other(learner);
    measured.measure_before();
    measured.learn();
    other.learn();
    const auto with = measured.state(), without = other.state();
    ASSERT_EQ(with.size(), without.size());
    for (const auto& [key, tensor] : without)
      EXPECT_TRUE(at::equal(tensor, with.at(key))) << learner << ": " << key;
  }
}

TEST(Evaluation, AsksNoClosedFormBeforeItLearned) {
  ToDomains toy("slda");
  toy.measure_before();
  toy.learn();
  toy.evaluation.measure(*toy.learner, toy.trainer, 1);
  for (int task = 0; task < toy.scenario.tasks(); ++task) {
    EXPECT_FALSE(toy.evaluation.matrix().at(0, task));
    EXPECT_TRUE(toy.evaluation.matrix().at(1, task)) << "a domain to come has classes it knows";
  }
}

// A learner that does not learn gains nothing for tasks to come.
TEST(Evaluation, ForwardTransferOfWeightsThatStayIsNone) {
  for (const char* learner : {"finetune", "er", "ewc", "agem", "lwf", "mvp", "slda"}) {
    const Json record = run_without_learning(learner, "domain_incremental");
    const Json& transfer = record["metrics"]["forward_transfer"];
    if (std::string(learner) == "slda") {
      EXPECT_TRUE(transfer.is_null()) << "it has no weights, and no scores before it learned";
    } else {
      ASSERT_TRUE(transfer.is_number()) << learner;
      EXPECT_LT(std::abs(transfer.get<double>()), 0.03) << learner << record["matrix"].dump();
      EXPECT_EQ(record["matrix"][0], record["matrix"][1]) << learner;
      EXPECT_NE(record["matrix"][0], Json({0.0, 0.0})) << learner << ": a guess is right sometimes";
    }
  }
}

TEST(Evaluation, TransferIsUndefinedWhereEveryTaskBringsClasses) {
  for (const char* scenario : {"class_incremental", "task_incremental"}) {
    const Json record = run_without_learning("er", scenario);
    for (const char* name :
         {"forward_transfer", "forward_transfer_no_baseline", "zero_shot_transfer", "mtil_average"})
      EXPECT_TRUE(record["metrics"][name].is_null()) << scenario << ": " << name;
    EXPECT_TRUE(record["metrics"]["last_accuracy"].is_number());
  }
}

// Zero-shot CLIP along a stream, measured before it and after every task. It does not change.
struct AskedByNames {
  AskedByNames(const DataSplits& data, const ScenarioOptions& how)
      : scenario(make_scenario(how, data)),
        rig(*clip, *data.train, *data.test,
            {.row = find_learner("zsclip"),
             .learner = options.get(),
             .seeds = Seeds(1),
             .grant = scenario.grant(),
             .test_transform = {.size = 16, .normalize = "clip"}}) {
    auto stream = scenario.stream();
    evaluation.measure(rig.learner(), rig.trainer(), 0);
    while (const auto task = stream.next()) {
      rig.learn(*task);
      evaluation.measure(rig.learner(), rig.trainer(), task->index + 1);
    }
  }
  /// The part of a task's samples that is right among the classes `from` to `to`.
  Score right(int task, int64_t from, int64_t to) {
    const Dataset& test = scenario.test(task);
    const Tensor all =
        rig.learner().scores(*Loader(test, rig.test_feed(), rig.pool(), 1024).next());
    const auto found = items_of(all.slice(1, from, to).argmax(1) + from);
    int64_t hits = 0;
    for (int64_t i = 0; i < test.size(); ++i) hits += found[size_t(i)] == test.target(i);
    return double(hits) / double(test.size());
  }

  std::unique_ptr<Backbone> clip = toy_network("zsclip", 6);
  std::unique_ptr<LearnerOptions> options = find_learner("zsclip")->options();
  Scenario scenario;
  Rig rig;
  Evaluation evaluation{scenario};
};

// Tasks that were not learned yet are evaluated by their classes' names, among the classes that
// compete once the task is learned.
TEST(Evaluation, AsksALearnerThatKnowsNamesAboutTasksToCome) {
  const DataSplits data = toy_data(6, 12, 6);
  for (const char* kind : {"class_incremental", "task_incremental"}) {
    AskedByNames asked(data, {.name = kind, .classes_per_task = 2});
    const bool told = asked.scenario.grant().task_id_at_test;
    const auto& matrix = asked.evaluation.matrix();
    for (int task = 0; task < asked.scenario.tasks(); ++task)
      for (int after = 0; after <= task + 1; ++after)
        EXPECT_EQ(matrix.at(after, task), asked.right(task, told ? 2 * task : 0, 2 * task + 2))
            << kind;
    EXPECT_GT(*matrix.at(0, 0), 0.5) << "it knows the classes by their names";
    EXPECT_EQ(metric("forward_transfer").value(matrix), Score(0.0));
    EXPECT_EQ(metric("zero_shot_transfer").value(matrix),
              Score((*matrix.at(0, 1) + *matrix.at(0, 2)) / 2));
  }
}

// Two data sets with classes of their own: images of the classes 0 to 2, and of 3 to 5. A fifth of
// the images look like a class of the other set.
class TwoSets : public ToySource {
 public:
  using ToySource::ToySource;
  const std::vector<std::string>& domains() const override {
    static const std::vector<std::string> names = {"first", "second"};
    return names;
  }
  int64_t domain(int64_t i) const override { return label(i) / 3; }
  Image image(int64_t i) const override {
    return ToySource::image(i % 5 == 0 ? (i + 3) % size() : i);
  }
};

// What differs between entries is the scenario's rule of which classes compete.
TEST(Evaluation, AsksOfDataSetsAmongTheClassesOfTheScenario) {
  const DataSplits data{"sets", std::make_unique<TwoSets>(6, 12, 1),
                        std::make_unique<TwoSets>(6, 24, 2)};
  int64_t differ = 0;
  for (const std::string kind : {"data_sets", "mtil", "x_tail"}) {
    AskedByNames asked(data, {.name = kind, .class_order_seed = -1});
    EXPECT_EQ(asked.scenario.grant().task_id_at_test, kind == "mtil");
    EXPECT_TRUE(asked.scenario.grant().new_classes);
    EXPECT_EQ(asked.scenario.task_name(1), "second");
    for (int task = 0; task < 2; ++task) {
      for (int after = 0; after <= 2; ++after) {
        const bool first_alone = kind == "data_sets" && after < 2 && task == 0;
        EXPECT_EQ(asked.evaluation.matrix().at(after, task),
                  kind == "mtil" ? asked.right(task, 3 * task, 3 * task + 3)
                                 : asked.right(task, 0, first_alone ? 3 : 6))
            << kind << " " << after << " " << task;
      }
      differ += asked.right(task, 3 * task, 3 * task + 3) != asked.right(task, 0, 6);
    }
  }
  EXPECT_GT(differ, 0) << "the rules can be told apart";
}

// Without names there is nothing to ask about classes to come.
TEST(Evaluation, AsksALearnerWithoutNamesAmongTheClassesSeen) {
  ToyCourse toy("slda", {}, "x_tail", {.epochs = 1, .batch_size = 8}, /*domains=*/true);
  Evaluation evaluation(toy.scenario);
  evaluation.measure(*toy.learner, toy.trainer, 0);
  toy.learn();
  evaluation.measure(*toy.learner, toy.trainer, 1);
  EXPECT_FALSE(evaluation.matrix().at(0, 0));
  EXPECT_GT(*evaluation.matrix().at(1, 0), 0.5);
}

// No loss follows the last step of the last task that would show its effect.
TEST(Evaluation, StopsARunWhoseScoresAreNotFinite) {
  for (const auto& [learner, scenario] :
       {std::pair{"finetune", "class_incremental"}, std::pair{"er", "domain_incremental"}}) {
    const fs::path where = scratch_folder(std::string("ruined-") + learner) / "run";
    const std::string text = error_of(ErrorKind::model, [&] {
      short_run(learner, scenario, where,
                {"training.lr=1e30", "training.momentum=0", "training.batch_size=1000"});
    });
    EXPECT_TRUE(text.starts_with("after task 1: test 1: the scores became ")) << text;
    EXPECT_TRUE(text.ends_with(": lower training.lr or set training.clip_norm")) << text;
    EXPECT_FALSE(fs::exists(where / "model.patina"));
  }
}

// A learner with a NaN among the scores of one class, which topk takes for the largest.
class Ruined : public Learner {
 public:
  Tensor loss(const Batch&, const Step&) override { return {}; }
  Tensor scores(const Question& asked) const override {
    return at::zeros({asked.size(), weight.size(0)}) + weight;
  }
  std::vector<ParamGroup> trainable() override {
    return trained ? std::vector<ParamGroup>{{.tensors = {weight}}} : std::vector<ParamGroup>();
  }
  void state(Archive& a) override {
    if (trained) a("weight", weight);
  }
  Tensor weight = at::zeros({6});
  bool trained = true;
};

TEST(Evaluation, NamesWhatIsNotFinite) {
  ToyCourse toy("er", {}, "class_incremental");
  Ruined learner;
  learner.weight[4] = std::numeric_limits<double>::quiet_NaN();
  const auto said = [&] {
    Evaluation evaluation(toy.scenario);
    for (int after = 0; after < 3; ++after) evaluation.measure(learner, toy.trainer, after);
    return error_of(ErrorKind::model, [&] { evaluation.measure(learner, toy.trainer, 3); });
  };
  EXPECT_EQ(
      said(),
      "after task 3: test 1: the scores became nan; the learner's weight is not finite: lower "
      "training.lr or set training.clip_norm");
  learner.trained = false;
  EXPECT_EQ(said(),
            "after task 3: test 1: the scores became nan: look for features that are not finite");
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

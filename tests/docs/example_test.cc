// The learner that docs/guide/write-a-learner.md writes, on a small stream made in memory.
#include <gtest/gtest.h>

#include "patina/config/recipe_file.h"
#include "patina/ops.h"
#include "patina/run/recipe.h"
#include "patina/session/rig.h"
#include "tests/docs/example_learner.h"
#include "tests/support/errors.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

LearnerRow row() {
  LearnerRow row = head_replay_learner();
  row.name = "head_replay";  // learners.def gives it to a learner of the tree
  return row;
}

std::unique_ptr<LearnerOptions> options_of(const std::string& text) {
  auto options = row().options();
  auto file = RecipeFile::parse(text, "example");
  file.bind(*options);
  file.finish();
  return options;
}

/// Three tasks of two classes, and the learner with everything that drives it.
struct Course {
  explicit Course(const std::string& options, std::function<void()> between_steps = {})
      : own(options_of(options)),
        rig(*network, *data.train, *data.test,
            {.row = &method,
             .learner = own.get(),
             .training = method.training,
             .seeds = Seeds(5),
             .grant = scenario.grant(),
             .between_steps = std::move(between_steps)}) {}

  void learn(Stream& stream) {
    while (const auto task = stream.next()) rig.learn(*task);
  }
  double accuracy(int task) {
    int64_t right = 0;
    const Dataset& test = scenario.test(task);
    rig.trainer().each_batch(test, "test", [&](const Batch& batch) {
      right += (rig.learner().scores(batch).argmax(1) == batch.target).sum().item<int64_t>();
    });
    return double(right) / double(test.size());
  }
  Archive state() {
    Archive archive;
    archive("learner", rig.learner());
    archive("trainer", rig.trainer());
    return archive;
  }

  DataSplits data = kImages.data();
  std::unique_ptr<Backbone> network = kImages.network("simplecil");
  Scenario scenario = make_scenario({.classes_per_task = 2}, data);
  LearnerRow method = row();
  std::unique_ptr<LearnerOptions> own;
  Rig rig;
};

TEST(Example, ReplayKeepsTheFirstTask) {
  Course with("memory = 24"), without("replay_weight = 0");
  for (Course* course : {&with, &without}) {
    Stream stream = course->scenario.stream();
    course->learn(stream);
  }
  EXPECT_GT(with.accuracy(0), 0.7);
  EXPECT_GT(with.accuracy(0), without.accuracy(0) + 0.2);
  EXPECT_GT(with.accuracy(2), 0.7);
}

// A checkpoint between any two steps holds all that the rest of the task depends on.
TEST(Example, ContinuesFromItsStateToTheSameBits) {
  Course undisturbed("memory = 24");
  Stream all = undisturbed.scenario.stream();
  undisturbed.learn(all);
  const std::string bits = undisturbed.state().hash();

  struct Stopped {};
  int left = 11;  // within the second task
  Course stopped("memory = 24", [&] {
    if (--left == 0) throw Stopped();
  });
  Stream first = stopped.scenario.stream();
  EXPECT_THROW(stopped.learn(first), Stopped);
  ASSERT_TRUE(stopped.rig.trainer().in_task());

  Course resumed("memory = 24");
  Archive saved = stopped.state().reopened();
  saved("learner", resumed.rig.learner());
  saved("trainer", resumed.rig.trainer());
  Stream rest = resumed.scenario.stream();
  rest.next();  // the first task is over
  resumed.learn(rest);
  EXPECT_EQ(resumed.state().hash(), bits);
}

TEST(Example, IsRefusedWhereTasksHaveNoEnds) {
  Course course("");
  course.scenario = make_scenario({.name = "si_blurry"}, course.data);
  RigOptions options{
      .row = &course.method, .learner = course.own.get(), .grant = course.scenario.grant()};
  EXPECT_TRUE(contains(
      error_of([&] { Rig(*course.network, *course.data.train, *course.data.test, options); }),
      "head_replay cannot learn here: it needs to be told when a task ends"));
}

TEST(Example, ChecksItsOptions) {
  EXPECT_TRUE(contains(error_of([] { options_of("memory = 0"); }), "memory: must be >= 1, is 0"));
  EXPECT_TRUE(contains(error_of([] { options_of("memmory = 9"); }), "did you mean \"memory\"?"));
}

/// What a run reads of the page's recipe. It finds the method by name, and this one is in no list.
struct ExampleRecipe {
  std::string name;
  int64_t seed = 0;
  ModelOptions model;
  DataOptions data;
  ScenarioOptions scenario;
  struct Chosen {
    std::string name;
    std::unique_ptr<LearnerOptions> own = row().options();
    void bind(Fields& f) {
      f("name", name, "The method.");
      own->bind(f);
    }
  } learner;

  void bind(Fields& f) {
    f("name", name, "The run's name.");
    f("seed", seed, "The seed.");
    f.section("model", model, "The backbone.");
    f.section("data", data, "The data set.");
    f.section("scenario", scenario, "The stream.");
    f.section("learner", learner, "The method and its options.");
  }
};

TEST(Example, RecipeIsUnderstood) {
  auto file = RecipeFile::read(PATINA_SOURCE_DIR "/tests/docs/example_learner.toml", {});
  ExampleRecipe recipe;
  file.bind(recipe);
  file.finish();
  EXPECT_EQ(recipe.learner.name, "head_replay");
  EXPECT_TRUE(contains(to_toml(*recipe.learner.own), "memory = 100"));
  EXPECT_EQ(recipe.scenario.classes_per_task, 2);
}

}  // namespace
}  // namespace patina

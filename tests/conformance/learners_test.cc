// What every learner promises, checked over the registry on a tiny ViT and a three-task toy stream.
// No code per method: a new line in learners.def is a new row of every test here.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <set>

#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/config/recipe_file.h"
#include "patina/ops.h"
#include "patina/run/run.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/stopped_runs.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_network.h"

namespace patina {
namespace {

constexpr int64_t kClasses = 6, kTasks = 3;

// `memory`: samples that it may keep, where it keeps any; 0: as many as it would.
Recipe toy_recipe(const std::string& learner, int64_t epochs, int64_t memory = 0) {
  Recipe recipe;
  std::vector<std::string> settings;
  if (const LearnerRow& row = *find_learner(learner); memory > 0 && row.keeps_samples) {
    const bool per_task =
        reference_text(*row.options()).find("memory_per_task") != std::string::npos;
    settings.push_back(
        fmt::format("learner.{}={}", per_task ? "memory_per_task" : "memory", memory));
  }
  auto file = RecipeFile::parse(fmt::format(R"(
seed = 7
[data]
name = "toy"
[model]
name = "toy"
[train_transform]
flip = true
random_crop_padding = 2
[scenario]
classes_per_task = {}
[learner]
name = "{}"
)",
                                            kClasses / kTasks, learner),
                                "toy.toml", settings);
  file.bind(recipe);
  if (const auto& needs = find_learner(learner)->needs; needs.task_id_at_test)
    recipe.scenario.name = "task_incremental";
  // A few larger steps instead of the paper's many small ones.
  recipe.training.epochs = epochs;
  recipe.training.batch_size = 8;
  recipe.training.optimizer.lr = 0.01;
  return recipe;
}

// Where learning is what is asked: as many as the paper's, within reason.
int64_t enough_epochs(const std::string& learner) {
  return std::clamp<int64_t>(find_learner(learner)->training.epochs, 8, 40);
}

class Conformance : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override { scratch_ = scratch_folder("conformance-" + GetParam()); }
  fs::path folder(const std::string& name) const { return scratch_ / name; }
  Json run_toy(const fs::path& where, const RunControl& control = {}, int64_t epochs = 4) const {
    Recipe recipe = toy_recipe(GetParam(), epochs);
    const DataSplits data = toy_data(kClasses, 12, 6);
    const auto network = toy_network(GetParam(), kClasses);
    return run(recipe, data, *network, where, control);
  }
  bool past_data() const { return find_learner(GetParam())->needs.past_data; }

 private:
  fs::path scratch_;
};

TEST_P(Conformance, learns_more_than_chance) {
  const Json record = run_toy(folder("learns"), {}, enough_epochs(GetParam()));
  EXPECT_EQ(record["status"], "complete");
  // Chance among k classes is 1/k.
  for (int task = 1; task <= kTasks; ++task)
    EXPECT_GT(record["accuracy_after_task"][size_t(task - 1)].get<double>(),
              1.2 / double(task * kClasses / kTasks))
        << "task " << task;
  for (const auto& entry : record["matrix"][0]) EXPECT_EQ(entry, 0.0);
}

TEST_P(Conformance, same_seed_same_bits) {
  const Json first = run_toy(folder("first"), {.data_threads = 1});
  const Json second = run_toy(folder("second"), {.data_threads = 3});
  EXPECT_EQ(first["matrix"], second["matrix"]);
  EXPECT_EQ(learned(folder("first")), learned(folder("second")));
}

TEST_P(Conformance, resumes_to_the_same_bits) {
  const Json whole = run_toy(folder("whole"));
  for (const int steps : {1, 2, 7, 13}) {
    const fs::path where = folder("stopped");
    fs::remove_all(where);
    const auto [pieces, stops] =
        run_in_pieces([&](const RunControl& control) { return run_toy(where, control); }, steps);
    if (steps == 1) {
      EXPECT_GE(stops, kTasks - 1);  // a closed form has no steps, only tasks
    }
    EXPECT_EQ(whole["matrix"], pieces["matrix"]) << "stopped every " << steps;
    EXPECT_EQ(learned(folder("whole")), learned(where)) << "stopped every " << steps;
  }
}

TEST_P(Conformance, resumes_from_the_checkpoint_before_a_damaged_one) {
  const Json whole = run_toy(folder("intact"));
  const fs::path where = folder("damaged");
  int tasks = 0;
  EXPECT_THROW(run_toy(where, {.should_stop =
                                   [&] {
                                     return ++tasks > 1000 ||
                                            fs::exists(where / "checkpoint.previous.safetensors");
                                   }}),
               Error);
  const fs::path newest = where / "checkpoint.safetensors";
  ASSERT_TRUE(fs::exists(newest));
  fs::resize_file(newest, fs::file_size(newest) / 2);
  const Json continued = run_toy(where, {.mode = RunMode::resume});
  EXPECT_EQ(whole["matrix"], continued["matrix"]);
  EXPECT_EQ(learned(folder("intact")), learned(where));
}

// A source that remembers which samples were decoded.
class Watched : public ToySource {
 public:
  using ToySource::ToySource;
  Image image(int64_t i) const override {
    touched[size_t(i)] = true;
    return ToySource::image(i);
  }
  mutable std::array<std::atomic<bool>, 1024> touched{};
};

// Everything a learner is driven with, piece by piece.
struct Bench {
  explicit Bench(const std::string& learner, uint64_t seed = 7, int64_t epochs = 4,
                 int64_t memory = 0)
      : row(*find_learner(learner)),
        recipe(toy_recipe(learner, epochs, memory)),
        data{"toy", std::make_unique<Watched>(kClasses, 12, 1),
             std::make_unique<Watched>(kClasses, 6, 2)},
        network(toy_network(learner, kClasses)),
        scenario(make_scenario(recipe.scenario, data, row.needs.past_data)),
        feed({.size = 16, .normalize = "imagenet"}),
        trainer(recipe.training, feed, feed, pool, Seeds(seed)),
        stream(scenario.stream()),
        samples(*data.train, feed, pool),
        learner(row.make({*network, Seeds(seed), scenario.grant(), &samples},
                         *recipe.learner.options)) {}

  void learn(const Task& task) {
    trainer.learn(*this->learner, task, scenario.grant());
    this->learner->before_scores(trainer);
  }
  const Watched& train() const { return static_cast<const Watched&>(*data.train); }
  const Watched& test() const { return static_cast<const Watched&>(*data.test); }
  Batch test_batch(int task) {
    Loader loader(scenario.test(task), feed, pool, 1024);
    Batch batch = *loader.next();
    if (scenario.grant().task_id_at_test) batch.task = at::full({batch.size()}, task, at::kLong);
    return batch;
  }

  const LearnerRow& row;
  Recipe recipe;
  DataSplits data;
  std::unique_ptr<Backbone> network;
  Scenario scenario;
  ImageFeed feed;
  ThreadPool pool{2};
  Trainer trainer;
  Stream stream;
  SampleLoader samples;
  std::unique_ptr<Learner> learner;
};

// Of earlier tasks, a learner with a memory reads as many samples as it may keep.
TEST_P(Conformance, reads_only_what_it_was_granted) {
  constexpr int64_t kMemory = 5;
  Bench bench(GetParam(), 7, 4, kMemory);
  std::set<int64_t> allowed;
  while (const auto task = bench.stream.next()) {
    if (!past_data()) {
      allowed.clear();
      for (auto& flag : bench.train().touched) flag = false;
    }
    for (int64_t i = 0; i < task->train->size(); ++i) allowed.insert(task->train->position(i));
    bench.learn(*task);
    int64_t others = 0;
    for (int64_t i = 0; i < bench.train().size(); ++i)
      others += bench.train().touched[size_t(i)] && !allowed.count(i);
    EXPECT_LE(others, bench.row.keeps_samples ? task->index * kMemory : 0);
    for (int64_t i = 0; i < bench.test().size(); ++i)
      EXPECT_FALSE(bench.test().touched[size_t(i)]) << "test sample " << i;
  }
}

TEST_P(Conformance, scores_the_classes_seen_and_each_sample_alone) {
  Bench bench(GetParam());
  while (const auto task = bench.stream.next()) {
    bench.learn(*task);
    const Batch batch = bench.test_batch(0);
    const Tensor together = bench.learner->scores(batch);
    ASSERT_EQ(together.dim(), 2);
    EXPECT_EQ(together.size(0), batch.size());
    EXPECT_EQ(together.size(1), int64_t(task->seen.size()));
    EXPECT_FALSE(together.requires_grad());
    EXPECT_TRUE(at::equal(together, bench.learner->scores(batch))) << "scoring has a side effect";
    for (const int64_t i : {int64_t{0}, batch.size() - 1}) {
      EXPECT_LT(
          relative_error(bench.learner->scores(batch.slice(i, i + 1)), together.slice(0, i, i + 1)),
          1e-4);
    }
  }
}

// Among themselves: some published methods let later classes lose against earlier ones.
TEST_P(Conformance, tells_the_fresh_classes_apart) {
  Bench bench(GetParam(), 7, enough_epochs(GetParam()));
  while (const auto task = bench.stream.next()) {
    bench.learn(*task);
    const Batch batch = bench.test_batch(task->index);
    const int64_t known = task->known();
    const Tensor found = bench.learner->scores(batch).slice(1, known).argmax(1) + known;
    EXPECT_GT(found.eq(batch.target).to(at::kFloat).mean().item<float>(),
              1.2 / double(task->fresh.size()))
        << "task " << task->index + 1;
  }
}

// What never took gradients; a method may freeze what it has trained.
TEST_P(Conformance, leaves_frozen_weights_alone) {
  Bench bench(GetParam());
  const auto initial = toy_network(GetParam(), kClasses);
  const auto now = nn::tensors(*bench.network), before = nn::tensors(*initial);
  std::vector<bool> trained(now.size());
  const auto note = [&] {
    for (size_t i = 0; i < now.size(); ++i)
      if (now[i].tensor.requires_grad()) trained[i] = true;
  };
  note();
  while (const auto task = bench.stream.next()) {
    bench.learn(*task);
    note();
    for (size_t i = 0; i < now.size(); ++i) {
      if (trained[i]) continue;
      EXPECT_TRUE(at::equal(now[i].tensor, before[i].tensor)) << now[i].name;
      EXPECT_FALSE(now[i].tensor.grad().defined()) << now[i].name;
    }
  }
}

TEST_P(Conformance, optimizes_only_what_takes_gradients) {
  Bench bench(GetParam());
  bench.learn(*bench.stream.next());
  for (const auto& group : bench.learner->trainable())
    for (const auto& tensor : group.tensors) EXPECT_TRUE(tensor.requires_grad());
}

TEST_P(Conformance, is_refused_where_its_needs_are_not_granted) {
  const LearnerRow& row = *find_learner(GetParam());
  if (row.needs.names().empty()) GTEST_SKIP() << GetParam() << " needs nothing";
  const auto lack = missing(row.needs, Grant{});
  ASSERT_TRUE(lack.has_value());
  EXPECT_FALSE(lack->empty());
  EXPECT_FALSE(missing(row.needs, row.needs).has_value());
}

TEST_P(Conformance, refuses_a_folder_that_holds_another_run) {
  const fs::path where = folder("taken");
  run_toy(where);
  EXPECT_TRUE(contains(error_of([&] { run_toy(where); }), "--resume"));
  Recipe other = toy_recipe(GetParam(), 4);
  other.seed = 8;
  const DataSplits data = toy_data(kClasses, 12, 6);
  const auto network = toy_network(GetParam(), kClasses);
  const std::string text =
      error_of([&] { run(other, data, *network, where, {.mode = RunMode::resume}); });
  EXPECT_TRUE(contains(text, "seed = 7") && contains(text, "seed = 8")) << text;
}

TEST_P(Conformance, says_what_it_is) {
  const LearnerRow& row = *find_learner(GetParam());
  EXPECT_FALSE(row.paper.empty());
  EXPECT_FALSE(row.about.empty());
  const auto options = row.options();
  const std::string toml = to_toml(*options);
  auto file = RecipeFile::parse(toml, "defaults.toml");  // the defaults are allowed values
  file.bind(*options);
  EXPECT_EQ(error_of([&] { file.finish(); }), "");
}

INSTANTIATE_TEST_SUITE_P(Learners, Conformance, testing::ValuesIn(learner_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina

// Several workers do a run together and get the bits of one, for every learner. The workers are
// threads here; tests/cli/workers_test.py has processes.
#include <gtest/gtest.h>

#include <thread>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/dist/membership.h"
#include "tests/support/shared.h"
#include "tests/support/stopped_runs.h"
#include "tests/support/toy_answers.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

constexpr int kShards = 4;

class ManyWorkers : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!workers_available()) GTEST_SKIP() << "built without Gloo";
  }

  bool generates() const { return find_learner(GetParam())->generates; }

  Recipe recipe(int64_t shards) const {
    if (!generates()) {
      Recipe recipe = toy_recipe(GetParam(), /*epochs=*/2);
      recipe.training.shards = shards;
      return recipe;
    }
    Recipe recipe;
    auto file = RecipeFile::parse(
        "", "toy",
        {"seed=7", "data.name=toy", "model.name=toy", "scenario.name=data_sets",
         "learner.name=" + GetParam(), "training.epochs=2", "training.batch_size=4",
         "training.lr=0.01", "evaluation.max_tokens=3", "evaluation.drift_tokens=30",
         "evaluation.probes=[\"answer_loss\",\"exact_match\",\"likelihood\"]",
         fmt::format("training.shards={}", shards)});
    file.bind(recipe);
    return recipe;
  }

  Json run_one(const fs::path& where, int64_t shards, const RunControl& control) const {
    Recipe own = recipe(shards);
    const DataSplits data = generates() ? toy_answers() : world_of(GetParam()).data();
    const auto network = generates() ? toy_decoder() : world_of(GetParam()).network(GetParam());
    return run(own, data, *network, where, control);
  }

  // The record of the first of `size` workers.
  Json run_many(const fs::path& where, int size, int64_t shards = kShards,
                RunControl control = {}) const {
    if (size == 1) return run_one(where, shards, control);
    if (!generates()) world_of(GetParam()).network(GetParam());  // trained once, before the threads
    auto workers = workers_in_threads(size);
    std::vector<Json> records(static_cast<size_t>(size));
    std::vector<std::string> errors(static_cast<size_t>(size));
    std::vector<std::thread> threads;
    for (size_t rank = 0; rank < workers.size(); ++rank)
      threads.emplace_back([&, rank] {
        RunControl own = control;
        own.data_threads = 1;
        own.workers = workers[rank].get();
        try {
          records[rank] = run_one(where, shards, own);
        } catch (const std::exception& error) {
          errors[rank] = error.what();
          workers[rank].reset();  // the others hear of it
        }
      });
    for (auto& thread : threads) thread.join();
    for (size_t rank = 0; rank < workers.size(); ++rank)
      EXPECT_EQ(errors[rank], "") << "worker " << rank;
    for (const auto& record : records)
      EXPECT_EQ(record.value("matrix", Json()), records[0].value("matrix", Json()));
    return records[0];
  }

  fs::path folder(const std::string& what) const {
    return scratch_folder("workers-" + GetParam() + "-" + what) / "run";
  }
};

TEST_P(ManyWorkers, learn_the_bits_of_one) {
  const fs::path one = folder("one"), two = folder("two"), three = folder("three");
  const Json expected = run_many(one, 1);
  EXPECT_EQ(expected["matrix"], run_many(two, 2)["matrix"]);
  EXPECT_EQ(learned(one), learned(two));
  const Json record = run_many(three, 3);
  EXPECT_EQ(expected["matrix"], record["matrix"]);
  EXPECT_EQ(expected.value("drift", Json()), record.value("drift", Json()));
  EXPECT_EQ(expected.value("diagnostics_after_task", Json()),
            record.value("diagnostics_after_task", Json()));
  EXPECT_EQ(learned(one), learned(three));
  EXPECT_TRUE(expected.value("workers", Json()).is_null());
  EXPECT_EQ(record["workers"]["count"], 3);
  EXPECT_GT(record["workers"]["sent_bytes"].get<int64_t>(), 0);
}

// Of a batch that is not cut, every worker computes the whole.
TEST_P(ManyWorkers, learn_whole_batches_too) {
  const fs::path one = folder("whole"), two = folder("whole-two");
  EXPECT_EQ(run_many(one, 1, 1)["matrix"], run_many(two, 2, 1)["matrix"]);
  EXPECT_EQ(learned(one), learned(two));
}

INSTANTIATE_TEST_SUITE_P(Learners, ManyWorkers, testing::ValuesIn(names_of_learners(false)),
                         [](const auto& info) { return info.param; });
INSTANTIATE_TEST_SUITE_P(Generators, ManyWorkers, testing::ValuesIn(names_of_learners(true)),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina

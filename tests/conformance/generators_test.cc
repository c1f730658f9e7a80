// Guarantees of every learner that answers with text, checked over the registry on a tiny decoder
// and a stream of three toy sets. As in learners_test.cc there is no code per method.
#include <gtest/gtest.h>

#include <atomic>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/ops.h"
#include "patina/run/run.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/stopped_runs.h"
#include "tests/support/toy_answers.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

Recipe recipe_for(const std::string& learner, std::vector<std::string> settings = {}) {
  std::vector<std::string> all = {
      "seed=7",
      "data.name=toy",
      "model.name=toy",
      "scenario.name=data_sets",
      "learner.name=" + learner,
      "training.epochs=3",
      "training.batch_size=4",
      "training.lr=0.01",
      "evaluation.max_tokens=3",
      "evaluation.drift_tokens=30",
      "evaluation.probes=[\"answer_loss\",\"exact_match\",\"likelihood\"]"};
  all.insert(all.end(), settings.begin(), settings.end());
  Recipe recipe;
  auto file = RecipeFile::parse("", "toy", all);
  file.bind(recipe);
  return recipe;
}

Json run_toy(Recipe recipe, const fs::path& where, const RunControl& control = {}) {
  const DataSplits data = toy_answers();
  const auto network = toy_decoder();
  return run(recipe, data, *network, where, control);
}

class Answering : public testing::TestWithParam<std::string> {
 protected:
  fs::path folder(const std::string& what) const {
    return scratch_folder("generator-" + GetParam() + "-" + what) / "run";
  }
  // A random network does not follow examples, so what it learns from itself with sdft are not the
  // task's answers.
  static bool learns_the_answers() { return GetParam() != "sdft"; }
  auto runner(const fs::path& where) const {
    return [this, where](const RunControl& control) {
      return run_toy(recipe_for(GetParam()), where, control);
    };
  }
};

TEST_P(Answering, learns_the_same_bits_from_the_same_seed) {
  const fs::path a = folder("a"), b = folder("b");
  const Json first = run_toy(recipe_for(GetParam()), a, {.data_threads = 1});
  const Json second = run_toy(recipe_for(GetParam()), b, {.data_threads = 3});
  EXPECT_EQ(first["matrix"], second["matrix"]);
  EXPECT_EQ(first["drift"], second["drift"]);
  EXPECT_EQ(learned(a), learned(b));
  EXPECT_TRUE(first["top5_matrix"].is_null());
  EXPECT_EQ(first["tasks"][1]["probe"],
            Json({{"data_set", "set 1"}, {"metric", "exact_match"}, {"better", "higher"}}));
  // The loss of the first task's answers falls, and the model moves.
  if (learns_the_answers()) {
    EXPECT_LT(first["matrix"][1][0], first["matrix"][0][0]);
  }
  ASSERT_EQ(first["drift"].size(), 4u);
  // Adaptations that change nothing keep operations from being fused, which rounds otherwise.
  EXPECT_LT(first["drift"][0]["from_base"].get<double>(), 1e-5);
  EXPECT_GT(first["drift"][1]["from_base"].get<double>(), 1e-6);
  // The first task begins with the base model, but for the rounding of fused operations.
  const auto moved = first["drift"][1]["from_base"].get<double>();
  EXPECT_NEAR(moved, first["drift"][1]["from_before"].get<double>(), moved / 50);
  EXPECT_TRUE(fs::exists(a / "answers_after_task_3.jsonl"));
  // Tasks with different directions have no common mean, but gains do.
  EXPECT_TRUE(first["metrics"]["average_accuracy"].is_null());
  EXPECT_FALSE(first["metrics"]["forgetting"].is_null());
}

TEST_P(Answering, resumes_after_every_step_to_the_same_bits) {
  const fs::path whole_run = folder("whole"), stopped_run = folder("pieces");
  const auto whole = run_whole(runner(whole_run), whole_run);
  const auto [pieces, stops] = run_in_pieces(runner(stopped_run), 1);
  EXPECT_EQ(stops, whole.asks);
  EXPECT_EQ(whole.record["matrix"], pieces["matrix"]);
  EXPECT_EQ(whole.record["drift"], pieces["drift"]);
  EXPECT_EQ(whole.learned, learned(stopped_run));
}

TEST_P(Answering, learns_packed_rows_in_parts) {
  std::vector<std::string> settings = {"training.pack=true", "training.accumulate=2",
                                       "training.epochs=2"};
  if (GetParam() == "das") settings.push_back("learner.contrast=0");  // it contrasts whole rows
  const Json record = run_toy(recipe_for(GetParam(), settings), folder("packed"));
  EXPECT_EQ(record["status"], "complete");
  if (learns_the_answers()) {
    EXPECT_LT(record["matrix"][1][0], record["matrix"][0][0]);
  }
}

// The kept samples of earlier tasks are as many as the method says, and later tasks are not read.
class Watched : public ToyAnswers {
 public:
  using ToyAnswers::ToyAnswers;
  Exchange exchange(int64_t i) const override {
    touched[size_t(i)] = true;
    return ToyAnswers::exchange(i);
  }
  mutable std::array<std::atomic<bool>, 8> touched{};
};

TEST_P(Answering, reads_and_trains_only_what_it_may) {
  constexpr int64_t kMemory = 2;
  const LearnerRow& row = *find_learner(GetParam());
  std::vector<DataSplits> parts;
  std::vector<const Watched*> watched;
  for (int64_t set = 0; set < 3; ++set) {
    auto train = std::make_unique<Watched>(set, 8);
    watched.push_back(train.get());
    parts.push_back(
        {fmt::format("set {}", set), std::move(train), std::make_unique<ToyAnswers>(set, 4)});
  }
  const DataSplits data = joined(std::move(parts), true);
  const auto network = toy_decoder();
  FrozenWatch frozen(*network);
  Recipe recipe = recipe_for(GetParam(), row.keeps_samples
                                             ? std::vector<std::string>{"learner.memory_per_task=2"}
                                             : std::vector<std::string>{});
  const Scenario scenario = make_scenario(recipe.scenario, data);
  Rig rig(*network, *data.train, *data.test,
          {.row = &row,
           .learner = recipe.learner.options.get(),
           .training = recipe.training,
           .seeds = Seeds(7),
           .grant = scenario.grant(),
           .data_threads = 2,
           .between_steps = [&] { frozen.note(); }});
  rig.guard_samples();
  Stream stream = scenario.stream();
  while (const auto task = stream.next()) {
    for (const auto* set : watched)
      for (auto& flag : set->touched) flag = false;
    rig.show(*task->train);
    rig.learn(*task);
    for (int set = 0; set < 3; ++set) {
      int64_t read = 0;
      for (const auto& flag : watched[size_t(set)]->touched) read += flag;
      const int64_t most = set == task->index                       ? 8
                           : set < task->index && row.keeps_samples ? kMemory
                                                                    : 0;
      EXPECT_LE(read, most) << "set " << set << " in task " << task->index;
    }
    EXPECT_EQ(frozen.broken(), std::vector<std::string>{});
    const Input prompt = tiny_text();
    const auto adaptations = rig.learner().generator()->adaptations(prompt);
    NoGrad no_grad;
    EXPECT_TRUE(
        at::equal(network->tokens(prompt, adaptations), network->tokens(prompt, adaptations)));
  }
}

INSTANTIATE_TEST_SUITE_P(Learners, Answering, testing::ValuesIn(generator_names()),
                         [](const auto& info) { return info.param; });

TEST(PlainText, IsModelledAndScoredInBitsPerByte) {
  Recipe recipe = recipe_for("sft", {"evaluation.probes=[]", "learner.tune=\"full\""});
  const auto network = toy_decoder();
  const Json record =
      run(recipe, toy_answers<ToyPassages>(), *network, scratch_folder("plain-text") / "run");
  EXPECT_EQ(record["tasks"][0]["probe"]["metric"], "bits_per_byte");
  EXPECT_EQ(record["tasks"][0]["probe"]["better"], "lower");
  for (int task = 0; task < 3; ++task)
    EXPECT_LT(record["matrix"][size_t(task) + 1][size_t(task)], record["matrix"][0][size_t(task)]);
  // Lower is better: what was learned and got worse again counts as forgetting.
  double forgetting = 0;
  for (size_t task = 0; task < 2; ++task) {
    double best = 1e9;
    for (size_t after = 1; after < 3; ++after)
      best = std::min(best, record["matrix"][after][task].get<double>());
    forgetting += (record["matrix"][3][task].get<double>() - best) / 2;
  }
  EXPECT_NEAR(record["metrics"]["forgetting"].get<double>(), forgetting, 1e-9);
}

TEST(Answers, AreRefusedWhereTheyDoNotFit) {
  const auto error = [](const std::vector<std::string>& settings, const DataSplits& data) {
    Recipe recipe = recipe_for("sft", settings);
    const auto network = toy_decoder();
    return error_of([&] { run(recipe, data, *network, scratch_folder("refused") / "run"); });
  };
  EXPECT_TRUE(contains(error({}, toy_texts(6, 4, 2)), "the data's answers are classes"));
  EXPECT_TRUE(contains(error({"learner.name=finetune"}, toy_answers()), "chooses among classes"));
}

}  // namespace
}  // namespace patina

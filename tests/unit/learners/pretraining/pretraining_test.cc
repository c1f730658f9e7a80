// Continual pre-training by rounds: mixtures counted in tokens, rates that come from the step, and
// what goes on from round to round.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>

#include "patina/learners/instruction/answer_learner.h"
#include "tests/support/errors.h"
#include "tests/support/toy_rounds.h"

namespace patina {
namespace {

using Course = RoundCourse;

// Learns as `sft` does, and writes down the rate of each step.
class Recorder : public AnswerLearner {
 public:
  struct Options : LearnerOptions {};
  Recorder(Setup setup, const Options&) : AnswerLearner(setup, TuneOptions{}) {}
  void after_step(const Batch&, const Step& step) override {
    rates.push_back(step.rate);
    unscaled.push_back(step.unscaled_rate);
  }
  std::vector<double> rates, unscaled;
};

struct Recording {
  explicit Recording(const TrainingOptions& training)
      : row(learner_row<Recorder>(
            {.needs = {.boundaries = true, .many_passes = true}, .network = Network::decoder})),
        course(row, row.options(), training) {}
  Recorder& learner() { return static_cast<Recorder&>(course.learner()); }
  LearnerRow row;
  Course course;
};

TEST(Rates, AreThoseOfTheRoundUnderAccumulationToo) {
  TrainingOptions training = steps_of_adamw();
  training.optimizer.schedule = "falling_cosine";
  training.optimizer.min_lr = 0.001;
  training.optimizer.warmup_epochs = 0.5;
  Recording whole(training);
  training.accumulate = 2;
  Recording parts(training);
  for (int round = 0; round < 3; ++round) whole.course.learn(), parts.course.learn();
  const auto& rates = whole.learner().rates;
  EXPECT_EQ(rates, parts.learner().rates);
  ASSERT_EQ(rates.size(), 30u);  // three rounds of two epochs of five steps
  // Step 7 of a round is at epoch 1.4, 0.9 / 1.5 of the way down; step 1 at 0.2, in the warm-up.
  const double ceilings[] = {0.01, 0.0055, 0.00325};
  for (size_t round = 0; round < 3; ++round) {
    const double top = ceilings[round];
    EXPECT_NEAR(rates[10 * round + 1], 0.4 * top, 1e-9);
    EXPECT_NEAR(rates[10 * round + 7],
                0.001 + (top - 0.001) * (1 + std::cos(std::numbers::pi * 0.6)) / 2, 1e-9);
    EXPECT_EQ(whole.learner().unscaled[10 * round + 7],
              unscaled_rate(training.optimizer, 1.4, 2, int64_t(round)));
  }
}

TEST(Rates, GoOnWhereARunStopped) {
  TrainingOptions training = steps_of_adamw();
  training.optimizer.schedule = "infinite";
  training.optimizer.warmup_epochs = 0.5;
  training.optimizer.cooldown_epochs = 3;
  Recording whole(training);
  whole.course.learn();
  whole.course.learn();
  Recording stopped(training);
  stopped.course.learn();
  struct Stop {};
  int left = 3;
  stopped.course.between_steps = [&] {
    if (--left == 0) throw Stop();
  };
  EXPECT_THROW(stopped.course.learn(), Stop);
  Archive archive;
  stopped.course.rig.learner_state(archive);
  stopped.course.rig.trainer().state(archive);
  Archive saved = std::move(archive).reopened();
  Recording resumed(training);
  resumed.course.rig.learner_state(saved);
  resumed.course.rig.trainer().state(saved);
  (void)resumed.course.stream.next();
  resumed.course.learn();
  const auto& all = whole.learner().rates;
  const auto& rest = resumed.learner().rates;
  EXPECT_EQ(rest, std::vector<double>(all.begin() + 13, all.end()));
}

// A fifth of a round's tokens is old, and a round has as many tokens as its own text.
TEST(RewarmReplay, ReplacesAnExactPartOfTheTokens) {
  Course course("rewarm_replay", {"replay=0.2", "memory_per_task=6"});
  course.begin();
  EXPECT_EQ(course.samples(0), (std::vector<int64_t>{kRoundSize, 0, 0}));
  course.rig.learn(*course.task);
  course.learn();
  course.begin();
  constexpr double kLongest = 18;
  for (int64_t epoch = 0; epoch < 2; ++epoch) {
    const auto tokens = course.tokens(epoch);
    EXPECT_NEAR(double(tokens[0] + tokens[1]), 0.2 * double(sum(tokens)), kLongest) << epoch;
    EXPECT_GT(std::min(tokens[0], tokens[1]), 0);
  }
  EXPECT_NE(course.samples(0), course.samples(1)) << "epochs draw their own";
  // Total tokens: as in a round without replay.
  Course plain("rewarm_replay", {"replay=0"});
  plain.learn();
  plain.learn();
  plain.begin();
  EXPECT_EQ(plain.samples(0)[2], kRoundSize);
  EXPECT_NEAR(double(sum(course.tokens(0))), double(sum(plain.tokens(0))), 10);
}

TEST(TicLm, SpreadsHalfOverAllEarlierRounds) {
  for (const bool even : {false, true}) {
    Course course("ticlm", {"memory_per_task=8", even ? "even=true" : "even=false"});
    course.learn();
    course.learn();
    course.begin();
    const auto tokens = course.tokens(0);
    const double all = double(sum(tokens));
    const double old = even ? 1 / 3.0 : 0.25;
    EXPECT_NEAR(double(tokens[0]), old * all, 20) << even;
    EXPECT_NEAR(double(tokens[1]), old * all, 20) << even;
    EXPECT_NEAR(double(tokens[2]), (1 - 2 * old) * all, 20) << even;
  }
}

TEST(MixReview, AddsEverLessOfTheFirstTask) {
  Course course("mix_review", {"mix_ratio=2", "mix_decay=0.5", "memory_per_task=20"});
  course.learn();
  course.learn();
  course.begin();
  double expected = 2;
  for (int64_t epoch = 0; epoch < 3; ++epoch, expected /= 2) {
    const auto samples = course.samples(epoch), tokens = course.tokens(epoch);
    EXPECT_EQ(samples[2], kRoundSize) << "all of the task's own";
    EXPECT_EQ(samples[1], 0) << "the second task is not general text";
    EXPECT_NEAR(double(tokens[0]), expected * double(tokens[2]), 10) << epoch;
  }
}

TEST(LoraCpt, ChangesEveryLinearLayer) {
  Course course("lora_cpt", {"rank=3"});
  std::set<adapt::Part> parts;
  const auto adaptations = course.learner().generator()->adaptations({});
  for (const auto& update : dynamic_cast<adapt::Lora&>(*adaptations.list()[0]).updates())
    parts.insert(update.part);
  using adapt::Part;
  EXPECT_EQ(parts, (std::set{Part::q, Part::k, Part::v, Part::o, Part::gate, Part::up, Part::fc2}));
}

// The annealed weights answer; the next round goes on from those before the annealing.
TEST(Rounds, AnnealOnABranch) {
  TrainingOptions training = steps_of_adamw();
  training.optimizer.schedule = "infinite";
  training.optimizer.min_lr = 0.001;
  training.optimizer.anneal_epochs = 0.8;
  Course course("rewarm_replay", {}, training);
  std::vector<Weights> after;
  course.between_steps = [&] { after.push_back(course.weights()); };
  course.learn();
  ASSERT_EQ(after.size(), 10u);
  expect_equal(course.weights(), after[9]);
  course.begin();
  expect_equal(course.weights(), after[5]);  // six steps come before epoch 1.2
  EXPECT_GT(furthest(after[9], after[5]), 1e-4);
  Course kept("rewarm_replay", {"keep_optimizer=true"}, training);
  EXPECT_TRUE(contains(error_of(ErrorKind::recipe, [&] { kept.learn(); }), "anneal_epochs"));
}

TEST(Rounds, KeepTheOptimizerIfAsked) {
  Course kept("rewarm_replay", {"keep_optimizer=true", "replay=0"}),
      anew("rewarm_replay", {"replay=0"});
  kept.learn();
  anew.learn();
  expect_equal(kept.weights(), anew.weights());
  kept.learn();
  anew.learn();
  EXPECT_GT(furthest(kept.weights(), anew.weights()), 1e-5);
}

}  // namespace
}  // namespace patina

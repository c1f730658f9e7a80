// Learners that try to find out more than a scenario grants, by means available at run time. What
// types already prevent is tested in tests/must_not_compile.
#include <gtest/gtest.h>

#include "patina/ops.h"
#include "patina/session/rig.h"
#include "tests/support/errors.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

/// Keeps the samples that it is given, as an honest learner does.
class Honest : public ClosedFormLearner {
 public:
  struct Options : LearnerOptions {};
  Honest(Setup setup, const Options&) : samples_(setup.samples) {}
  void fit(const Task& task, Trainer&) override {
    for (int64_t i = 0; i < task.train->size(); ++i) kept_.add(task.train->handle(i));
  }
  Tensor scores(const Question& asked) const override { return at::zeros({asked.size(), 2}); }
  void state(Archive& a) override { kept_.state(a); }

  SampleHandles kept_;
  const SampleLoader* samples_;
};

/// Writes numbers into a state of its own and reads them back as sample handles.
class Forger : public Honest {
 public:
  using Honest::Honest;
  void fit(const Task& task, Trainer& trainer) override {
    Honest::fit(task, trainer);
    std::vector<int64_t> anywhere(40), targets(40);
    for (size_t i = 0; i < anywhere.size(); ++i) anywhere[i] = int64_t(i);
    Archive forged;
    forged("positions", anywhere);
    forged("targets", targets);
    Archive read = std::move(forged).reopened();
    kept_.state(read);
    (void)(*samples_)(kept_, Random());
  }
};

/// Requests the samples of a single-pass stream when a task begins and ends.
class Peeker : public Honest {
 public:
  using Honest::Honest;
  void begin_task(const Task& task, Trainer&) override { seen_ += task.train != nullptr; }
  void end_task(const Task& task, Trainer&) override { seen_ += task.train != nullptr; }
  void observe(const Batch&, Trainer&) override {}
  int seen_ = 0;
};

template <class Learner>
LearnerRow row_of() {
  LearnerRow row = learner_row<Learner>({.paper = "none", .about = "tries", .stores = "nothing"});
  row.name = "cheat";
  row.network = Network::any;
  return row;
}

struct Attempt {
  explicit Attempt(const LearnerRow& row, const std::string& kind = "class_incremental")
      : scenario(make_scenario({.name = kind, .classes_per_task = 2}, data)),
        options(row.options()),
        rig(*network, *data.train, *data.test,
            {.row = &row,
             .learner = options.get(),
             .training = {.epochs = 1, .batch_size = 8},
             .seeds = Seeds(1),
             .grant = scenario.grant()}) {
    rig.guard_samples();
  }
  void learn_all() {
    auto stream = scenario.stream();
    while (const auto task = stream.next()) {
      rig.show(*task->train);
      rig.learn(*task);
    }
  }

  DataSplits data = kImages.data(8, 2);
  std::unique_ptr<Backbone> network = kImages.network("simplecil");
  Scenario scenario;
  std::unique_ptr<LearnerOptions> options;
  Rig rig;
};

TEST(Cheating, WhatWasShownIsGivenBack) {
  const LearnerRow row = row_of<Honest>();
  Attempt honest(row);
  honest.learn_all();
  const auto& learner = static_cast<const Honest&>(honest.rig.learner());
  EXPECT_EQ((*learner.samples_)(learner.kept_, Random()).size(), honest.data.train->size());
}

TEST(Cheating, ForgedHandlesReachNoSampleToCome) {
  const LearnerRow row = row_of<Forger>();
  Attempt forger(row);
  const std::string said = error_of([&] { forger.learn_all(); });
  EXPECT_TRUE(contains(said, "the stream has not shown it yet")) << said;
}

TEST(Cheating, ASinglePassHasNothingAtItsBoundaries) {
  const LearnerRow row = row_of<Peeker>();
  Attempt peeker(row, "online_hard");
  peeker.learn_all();
  EXPECT_EQ(static_cast<const Peeker&>(peeker.rig.learner()).seen_, 0);
}

}  // namespace
}  // namespace patina

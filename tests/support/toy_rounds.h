// A stream of toy rounds of plain text, and a learner on it.
#pragma once

#include <gtest/gtest.h>

#include "patina/learners/registry.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"
#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/toy_answers.h"

namespace patina {

inline constexpr int64_t kRoundSize = 20;

// Plain texts whose lengths differ from set to set.
class RoundTexts : public ToyPassages {
 public:
  RoundTexts(int64_t set, int64_t count) : ToyPassages(set, count), set_(set) {}
  Text text(int64_t i) const override {
    return {ToyPassages::text(i).first + std::string(size_t(2 * set_ + i % 5), '.'), ""};
  }

 private:
  int64_t set_;
};

inline TrainingOptions steps_of_adamw() {
  return {.epochs = 2,
          .batch_size = 4,
          .optimizer = {.optimizer = "adamw", .lr = 0.01, .schedule = "constant"}};
}

// A learner on rounds of plain text.
struct RoundCourse {
  explicit RoundCourse(const std::string& name, const std::vector<std::string>& settings = {},
                       const TrainingOptions& training = steps_of_adamw(),
                       std::unique_ptr<Backbone> on = toy_decoder())
      : RoundCourse(*find_learner(name), bound_options(name, settings), training, std::move(on)) {}
  RoundCourse(const LearnerRow& row, std::unique_ptr<LearnerOptions> with,
              const TrainingOptions& training, std::unique_ptr<Backbone> on = toy_decoder())
      : network(std::move(on)),
        scenario(make_scenario({.name = "data_sets"}, data)),
        stream(scenario.stream()),
        options(std::move(with)),
        rig(*network, *data.train, *data.test,
            {.row = &row,
             .learner = options.get(),
             .training = training,
             .seeds = Seeds(5),
             .grant = scenario.grant(),
             .data_threads = 1,
             .between_steps = [this] {
               if (between_steps) between_steps();
             }}) {}

  static DataSplits texts() {
    std::vector<DataSplits> parts;
    for (int64_t set = 0; set < 3; ++set)
      parts.push_back({fmt::format("set {}", set), std::make_unique<RoundTexts>(set, kRoundSize),
                       std::make_unique<RoundTexts>(set, 4)});
    return joined(std::move(parts), /*shared_classes=*/true);
  }

  Learner& learner() { return rig.learner(); }
  void learn() {
    task = *stream.next();
    rig.learn(*task);
  }
  void begin() {
    task = *stream.next();
    rig.trainer().begin(learner(), *task, scenario.grant());
  }
  // The samples of an epoch, and their tokens that carry loss, of each set.
  std::vector<int64_t> samples(int64_t epoch) { return counted(epoch, false); }
  std::vector<int64_t> tokens(int64_t epoch) { return counted(epoch, true); }
  Weights weights() { return copied(*network); }
  Batch batch() { return *Loader(*task->train, rig.train_feed(), rig.pool(), 8).next(); }

  std::unique_ptr<Backbone> network;
  DataSplits data = texts();
  Scenario scenario;
  Stream stream;
  std::unique_ptr<LearnerOptions> options;
  std::function<void()> between_steps;
  Rig rig;
  std::optional<Task> task;

 private:
  std::vector<int64_t> counted(int64_t epoch, bool tokens) {
    const Dataset all = learner().generator()->samples_of(*task, epoch);
    Loader loader(all, rig.train_feed(), rig.pool(), 1);
    std::vector<int64_t> of_set(3);
    while (const auto one = loader.next())
      of_set[size_t(one->sample().item<int64_t>() / kRoundSize)] +=
          tokens ? one->input.loss.sum().item<int64_t>() : 1;
    return of_set;
  }
};

inline int64_t sum(const std::vector<int64_t>& of_sets) {
  return of_sets[0] + of_sets[1] + of_sets[2];
}

inline void expect_equal(const Weights& a, const Weights& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(at::equal(a[i], b[i])) << i;
}
inline double furthest(const Weights& a, const Weights& b) {
  double most = 0;
  for (size_t i = 0; i < a.size(); ++i)
    most = std::max(most, (a[i] - b[i]).abs().max().item<double>());
  return most;
}

}  // namespace patina

// What is kept of earlier rounds, counted in tokens, and mixtures of it in exact parts.
#pragma once

#include <vector>

#include "patina/data/dataset.h"
#include "patina/scenario/scenario.h"

namespace patina {

class Archive;

class RoundMemory {
 public:
  /// `samples` is lent. At most `per_round` samples of each round are kept.
  RoundMemory(int64_t per_round, const SampleLoader& samples, Seeds seeds)
      : per_round_(per_round), samples_(samples), seeds_(seeds) {}

  /// Counts the tokens of a round's samples, before it is learned.
  void begin(const Task& task);
  /// Keeps samples of the round, drawn at random, when it ends.
  void end(const Task& task);

  int64_t rounds() const { return int64_t(kept_.size()); }
  /// All that is kept.
  SampleHandles samples() const;
  /// `part` divided among the earlier rounds, to each as much as its kept tokens are of all.
  std::vector<double> divided(double part) const;

  /// The samples of an epoch. Of as many tokens as the round's own samples have, `part` is of
  /// these, and `parts[i]` of those kept of round i. Together the parts may be more than 1.
  Dataset mixed(const Task& task, int64_t epoch, double part,
                const std::vector<double>& parts) const;

  void state(Archive& a);

 private:
  struct Round {
    SampleHandles samples;
    std::vector<int64_t> tokens;  // of each that carry loss
    void state(Archive& a);
  };

  int64_t per_round_;
  const SampleLoader& samples_;
  Seeds seeds_;
  std::vector<int64_t> tokens_;  // of each sample of the present round
  std::vector<Round> kept_;
};

}  // namespace patina

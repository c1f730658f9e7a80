// Storage of the accuracy matrix: bounds are checked, nothing is assumed to be measured.
#include "patina/eval/matrix.h"

#include <algorithm>
#include <cmath>

#include "patina/base/error.h"

namespace patina {

AccuracyMatrix::AccuracyMatrix(int tasks) : tasks_(tasks) {
  PATINA_REQUIRE(tasks >= 0, "an accuracy matrix of {} tasks", tasks);
  entries_.resize((static_cast<size_t>(tasks) + 1) * static_cast<size_t>(tasks));
}

size_t AccuracyMatrix::index(int after, int task) const {
  PATINA_REQUIRE(after >= 0 && after <= tasks_ && task >= 0 && task < tasks_,
                 "R[{}][{}] of a matrix of {} tasks", after, task, tasks_);
  return static_cast<size_t>(after) * static_cast<size_t>(tasks_) + static_cast<size_t>(task);
}

Score AccuracyMatrix::at(int after, int task) const {
  return entries_[index(after, task)];
}

void AccuracyMatrix::set(int after, int task, Score score) {
  PATINA_REQUIRE(!score || std::isfinite(*score), "R[{}][{}] set to {}", after, task, *score);
  entries_[index(after, task)] = score;
}

Score task_forgetting(const AccuracyMatrix& matrix, int after, int task) {
  const int learned = task + 1;
  if (after <= learned) return std::nullopt;
  const Score last = matrix.at(after, task);
  if (!last) return std::nullopt;
  Score best;
  for (int row = 1; row < after; ++row) {
    const Score score = matrix.at(row, task);
    if (score)
      best = std::max(best.value_or(*score), *score);
    else if (row >= learned)
      return std::nullopt;  // the peak may lie in the row that is missing
  }
  return *best - *last;
}

}  // namespace patina

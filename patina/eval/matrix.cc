// Storage of the matrix of scores: bounds are checked, nothing is assumed to be measured.
#include "patina/eval/matrix.h"

#include <algorithm>
#include <cmath>

#include "patina/base/error.h"

namespace patina {

ScoreMatrix::ScoreMatrix(int tasks) : tasks_(tasks) {
  PATINA_REQUIRE(tasks >= 0, "a matrix of {} tasks", tasks);
  entries_.resize((static_cast<size_t>(tasks) + 1) * static_cast<size_t>(tasks));
}

size_t ScoreMatrix::index(int after, int task) const {
  PATINA_REQUIRE(after >= 0 && after <= tasks_ && task >= 0 && task < tasks_,
                 "R[{}][{}] of a matrix of {} tasks", after, task, tasks_);
  return static_cast<size_t>(after) * static_cast<size_t>(tasks_) + static_cast<size_t>(task);
}

Score ScoreMatrix::at(int after, int task) const {
  return entries_[index(after, task)];
}

void ScoreMatrix::set(int after, int task, Score score) {
  PATINA_REQUIRE(!score || std::isfinite(*score), "R[{}][{}] set to {}", after, task, *score);
  entries_[index(after, task)] = score;
}

Direction ScoreMatrix::direction(int task) const {
  PATINA_REQUIRE(directions.empty() || directions.size() == size_t(tasks_),
                 "directions of {} columns for a matrix of {} tasks", directions.size(), tasks_);
  return directions.empty() ? Direction::higher : directions.at(size_t(task));
}

Score ScoreMatrix::gain(int task, Score a, Score b) const {
  if (!a || !b) return std::nullopt;
  return direction(task) == Direction::higher ? *a - *b : *b - *a;
}

bool ScoreMatrix::one_direction() const {
  for (int task = 1; task < tasks_; ++task)
    if (direction(task) != direction(0)) return false;
  return true;
}

Score task_forgetting(const ScoreMatrix& matrix, int after, int task) {
  const int learned = task + 1;
  if (after <= learned) return std::nullopt;
  const Score last = matrix.at(after, task);
  if (!last) return std::nullopt;
  Score best;
  for (int row = 1; row < after; ++row) {
    const Score score = matrix.at(row, task);
    if (score)
      best = !best || *matrix.gain(task, score, best) > 0 ? score : best;
    else if (row >= learned)
      return std::nullopt;  // the peak may lie in the row that is missing
  }
  return matrix.gain(task, best, last);
}

}  // namespace patina

#include "patina/learners/online/adaptive_rate.h"

#include "patina/algebra/welch_test.h"

namespace patina {

void AdaptiveRate::end_block(std::optional<double> fall) {
  constexpr size_t kFalls = 10;
  constexpr int64_t kUnused = 20;
  constexpr double kSignificance = 0.05;
  auto& falls = low_ ? low_falls_ : high_falls_;
  if (fall && looks_ > kUnused) {
    falls.push_back(*fall);
    if (falls.size() > kFalls) falls.erase(falls.begin());
  }
  low_ = !low_;
  if (high_falls_.size() < kFalls || low_falls_.size() < kFalls) return;
  const double p = welch_test_greater(low_falls_, high_falls_);
  if (p >= kSignificance && p <= 1 - kSignificance) return;
  // The authors' code repeats the kind of block that has just ended.
  low_ = !low_;
  high_ = p < kSignificance ? high_ * step_ : high_ / step_;
  high_falls_.clear();
  low_falls_.clear();
}

void LossTrace::renew(size_t slot) {
  if (slot >= fresh_.size()) {
    fresh_.resize(slot + 1, 1);
    before_.resize(slot + 1);
  }
  fresh_[slot] = 1;
}

std::optional<double> LossTrace::change(const std::vector<double>& now) {
  double sum = 0;
  int64_t known = 0;
  for (size_t i = 0; i < fresh_.size(); ++i)
    if (fresh_[i] == 0) {
      sum += now[i] - before_[i];
      ++known;
    }
  before_ = now;
  fresh_.assign(now.size(), 0);
  if (known == 0) return std::nullopt;
  return sum / double(known);
}

}  // namespace patina

// Accuracy from raw per-sample predictions.
#include "patina/eval/accuracy.h"

#include "patina/base/error.h"

namespace patina {

Score accuracy(std::span<const int64_t> predicted, std::span<const int64_t> target) {
  PATINA_REQUIRE(predicted.size() == target.size(), "{} predictions for {} targets",
                 predicted.size(), target.size());
  if (target.empty()) return std::nullopt;
  size_t correct = 0;
  for (size_t i = 0; i < target.size(); ++i) correct += predicted[i] == target[i];
  return static_cast<double>(correct) / static_cast<double>(target.size());
}

}  // namespace patina

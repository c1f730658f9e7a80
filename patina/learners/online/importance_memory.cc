#include "patina/learners/online/importance_memory.h"

#include <numeric>
#include <set>

namespace patina {

std::optional<size_t> ImportanceMemory::add(const SampleHandle& sample) {
  const auto count = size_t(samples_.size());
  std::vector<std::vector<size_t>> of_class;  // the slots of each class
  const auto slots_of = [&](int64_t target) -> std::vector<size_t>& {
    if (target >= int64_t(of_class.size())) of_class.resize(size_t(target) + 1);
    return of_class[size_t(target)];
  };
  for (size_t i = 0; i < count; ++i) slots_of(samples_[i].target()).push_back(i);
  auto& own = slots_of(sample.target());

  size_t slot = count;
  if (samples_.size() == capacity_) {
    own.push_back(count);
    const auto largest = std::ranges::max_element(of_class, {}, [](auto& c) { return c.size(); });
    std::erase(*largest, count);
    if (largest->empty()) return std::nullopt;
    slot = *std::ranges::min_element(*largest, {}, [&](size_t i) { return importance_[i]; });
    std::erase(own, count);
    std::erase(own, slot);
  }
  std::vector<size_t> all(count);
  std::iota(all.begin(), all.end(), size_t{0});
  const double start = mean_of(own.empty() ? all : own);
  if (slot == count) {
    samples_.add(sample);
    importance_.push_back(start);
  } else {
    samples_.replace(slot, sample);
    importance_[slot] = start;
  }
  return slot;
}

void ImportanceMemory::credit(const std::vector<size_t>& trained, double change, double keep) {
  if (trained.empty()) return;
  const double gain = change - mean_of(trained) / double(trained.size());
  for (const size_t slot : std::set(trained.begin(), trained.end()))
    importance_[slot] -= (1 - keep) * gain;
}

double ImportanceMemory::mean_of(const std::vector<size_t>& slots) const {
  double sum = 0;
  for (const size_t slot : slots) sum += importance_[slot];
  return slots.empty() ? 0 : sum / double(slots.size());
}

}  // namespace patina

#include "patina/memory/sample_memory.h"

#include <algorithm>
#include <numeric>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

SampleMemory::SampleMemory(int64_t capacity, Policy policy, Random random)
    : capacity_(capacity), policy_(policy), random_(random) {
  PATINA_REQUIRE(capacity > 0, "a memory of {} samples", capacity);
}

void SampleMemory::offer(const Batch& batch,
                         const std::function<void(size_t slot, int64_t row)>& stored) {
  const SampleHandles shown = batch.handles();
  for (int64_t i = 0; i < shown.size(); ++i)
    if (const auto slot = offer(shown[size_t(i)]); slot && stored) stored(*slot, i);
}

std::optional<size_t> SampleMemory::offer(const SampleHandle& sample) {
  const int64_t target = sample.target();
  if (size_t(target) >= kept_.size())
    for (auto* counts : {&kept_, &met_, &full_}) counts->resize(size_t(target) + 1);
  ++met_[size_t(target)];
  // Each draw is a function of the number of samples offered, so a checkpoint stores this count and
  // no other random state.
  const auto slot = slot_for(target, random_.at(uint64_t(offered_++)));
  if (!slot) return slot;
  if (int64_t(*slot) == samples_.size()) {
    samples_.add(sample);
  } else {
    --kept_[size_t(samples_[*slot].target())];
    samples_.replace(*slot, sample);
  }
  ++kept_[size_t(target)];
  return slot;
}

std::optional<size_t> SampleMemory::slot_for(int64_t target, Random random) {
  const bool room = size() < capacity_;
  if (policy_ == Policy::greedy) {
    const int64_t classes = std::ranges::count_if(met_, [](int64_t n) { return n > 0; });
    if (kept_[size_t(target)] >= std::max<int64_t>(1, capacity_ / classes)) return std::nullopt;
  }
  if (room) return size_t(size());
  const auto one_of = [&](int64_t c) {
    const auto slots = of_class(c);
    return slots[random.below(slots.size())];
  };
  switch (policy_) {
    case Policy::reservoir: {
      const uint64_t place = random.below(uint64_t(offered_));
      return place < uint64_t(capacity_) ? std::optional<size_t>(place) : std::nullopt;
    }
    case Policy::balanced: {
      const int64_t largest = kept_[size_t(largest_class())];
      for (size_t c = 0; c < kept_.size(); ++c) full_[c] |= kept_[c] == largest;
      if (!full_[size_t(target)]) return one_of(largest_class());
      const double share = double(kept_[size_t(target)]) / double(met_[size_t(target)]);
      return random.uniform() <= share ? std::optional(one_of(target)) : std::nullopt;
    }
    case Policy::greedy:
      return one_of(largest_class());
    case Policy::ring:
      break;
  }
  return size_t((offered_ - 1) % capacity_);
}

int64_t SampleMemory::largest_class() const {
  return std::ranges::max_element(kept_) - kept_.begin();
}

std::vector<size_t> SampleMemory::of_class(int64_t target) const {
  std::vector<size_t> slots;
  for (size_t slot = 0; slot < size_t(size()); ++slot)
    if (samples_[slot].target() == target) slots.push_back(slot);
  return slots;
}

std::vector<size_t> SampleMemory::draw(int64_t count, Random random) const {
  if (count < size()) return drawn(size_t(count), size_t(size()), random);
  std::vector<size_t> slots(size_t(samples_.size()));
  std::iota(slots.begin(), slots.end(), size_t{0});
  return slots;
}

std::vector<size_t> drawn(size_t count, size_t n, Random random) {
  std::vector<size_t> items(n);
  std::iota(items.begin(), items.end(), size_t{0});
  count = std::min(count, n);
  for (size_t i = 0; i < count; ++i) std::swap(items[i], items[i + random.below(n - i)]);
  items.resize(count);
  return items;
}

void SampleMemory::state(Archive& a) {
  a("offered", offered_);
  samples_.state(a);
  a("kept", kept_);
  a("met", met_);
  a("full", full_);
}

namespace {
constexpr SampleMemory::Policy kPolicies[] = {
    SampleMemory::Policy::reservoir, SampleMemory::Policy::balanced, SampleMemory::Policy::greedy,
    SampleMemory::Policy::ring};
}  // namespace

const std::vector<std::string>& memory_policies() {
  static const std::vector<std::string> names = {"reservoir", "balanced", "greedy", "ring"};
  return names;
}

SampleMemory::Policy memory_policy(const std::string& name) {
  const auto& names = memory_policies();
  const auto at = std::ranges::find(names, name);
  PATINA_REQUIRE(at != names.end(), "memory policy {}", name);
  return kPolicies[at - names.begin()];
}

}  // namespace patina

// What rendering one template may cost. Templates come with downloaded models, so that a template
// must neither hang nor exhaust the memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include "patina/text/chat/limits.h"
#include "patina/text/chat/source.h"

namespace patina::chat {

class Budget {
 public:
  explicit Budget(const ChatLimits& limits) : limits_(limits), left_(limits.steps) {}

  void spend(int64_t steps) {
    left_ -= steps;
    if (left_ < 0) wrong("rendering takes more than {} steps", limits_.steps);
  }
  /// For `count` things that are made or looked at, before that happens.
  void spend_for(size_t count) {
    constexpr size_t kAStep = 16;
    if (count > limits_.bytes)
      wrong("a value has {} elements or bytes, more than {}", count, limits_.bytes);
    spend(int64_t(count / kAStep) + 1);
  }
  /// For a search, which may compare the whole part at every place.
  void spend_for_search(size_t text, size_t part) {
    constexpr size_t kAStep = 16;
    const size_t a = text / kAStep + 1, b = part / kAStep + 1;  // texts are limited: no overflow
    spend(int64_t(a * b));
  }
  const ChatLimits& limits() const { return limits_; }

 private:
  ChatLimits limits_;
  int64_t left_;
};

}  // namespace patina::chat

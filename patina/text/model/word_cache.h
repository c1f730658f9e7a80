// A cache of the ids of recent words. Words repeat, and a lookup is faster than encoding.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <mutex>
#include <string_view>
#include <vector>

namespace patina {

/// Holds a fixed number of short words with few ids. A new word replaces the one in its slot.
/// Thread-safe.
class WordCache {
 public:
  /// Appends the ids of `word` if they are cached.
  bool find(std::string_view word, std::vector<int64_t>& ids) {
    if (word.size() > kLongestWord) return false;
    const size_t at = slot_of(word);
    const std::lock_guard guard(locks_[at % kLocks]);
    const Slot& slot = slots_[at];
    if (slot.length != word.size() || std::memcmp(slot.word, word.data(), word.size()) != 0)
      return false;
    ids.insert(ids.end(), slot.ids, slot.ids + slot.count);
    return true;
  }

  /// Stores the ids of `word`: those from `ids[from]` on.
  void keep(std::string_view word, const std::vector<int64_t>& ids, size_t from) {
    const size_t count = ids.size() - from;
    if (word.empty() || word.size() > kLongestWord || count > kMostIds) return;
    const size_t at = slot_of(word);
    const std::lock_guard guard(locks_[at % kLocks]);
    Slot& slot = slots_[at];
    slot.length = uint8_t(word.size());
    slot.count = uint8_t(count);
    std::memcpy(slot.word, word.data(), word.size());
    for (size_t i = 0; i < count; ++i) slot.ids[i] = int32_t(ids[from + i]);
  }

 private:
  static constexpr size_t kSlots = 16384, kLocks = 64, kLongestWord = 30, kMostIds = 8;
  struct Slot {
    uint8_t length = 0, count = 0;  // length 0: empty
    char word[kLongestWord];
    int32_t ids[kMostIds];
  };
  static_assert(sizeof(Slot) == 64, "a slot is one cache line");

  static size_t slot_of(std::string_view word) {
    return std::hash<std::string_view>()(word) % kSlots;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
  std::array<std::mutex, kLocks> locks_;
};

}  // namespace patina

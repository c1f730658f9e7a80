// Progress of a part of the work, reported to its observer; and numbers formatted for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "patina/base/work.h"

namespace patina {

/// Reports to the current work's observer; silent for the first two seconds.
class Progress {
 public:
  Progress(std::string label, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(int64_t amount = 1);
  /// Counts what was done before this process began, when a run is resumed.
  void resume(int64_t amount) { done_ = earlier_ = amount; }
  void note(std::string text) { note_ = std::move(text); }  // "loss 0.31"

 private:
  void tell(bool last);

  Observer* observer_;
  std::string label_, unit_, note_;
  int64_t total_, done_ = 0, earlier_ = 0;
  std::chrono::steady_clock::time_point start_, told_at_;
  bool told_ = false;
};

/// "1 h 02 min", "3 min 20 s", "12.4 s".
std::string format_seconds(double seconds);
/// "5.7 MB", "312 KB".
std::string format_bytes(uint64_t bytes);
/// "5,717,416".
std::string format_count(int64_t count);

}  // namespace patina

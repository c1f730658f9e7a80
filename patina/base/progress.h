// One progress line with rate and time left; plain lines when the output is not a terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace patina {

/// Silent for the first two seconds, so quick work prints nothing.
class Progress {
 public:
  Progress(std::string label, int64_t total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance(int64_t amount = 1);
  void note(std::string text) { note_ = std::move(text); }  // shown after the rate: "loss 0.31"

  /// False silences every line of the process (--quiet).
  static void enable(bool on);

 private:
  void print(bool last);
  std::string label_, unit_, note_;
  int64_t total_, done_ = 0;
  std::chrono::steady_clock::time_point start_, printed_;
  bool shown_ = false;
};

/// "1 h 02 min", "3 min 20 s", "12.4 s".
std::string format_seconds(double seconds);
/// "5.7 MB", "312 KB".
std::string format_bytes(uint64_t bytes);
/// "5,717,416".
std::string format_count(int64_t count);

}  // namespace patina

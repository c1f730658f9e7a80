#include "patina/base/progress.h"

#include <fmt/format.h>

#include <cmath>

namespace patina {

using Clock = std::chrono::steady_clock;

Progress::Progress(std::string label, int64_t total, std::string unit)
    : observer_(current_work() ? current_work()->observer : nullptr),
      label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      start_(Clock::now()),
      told_at_(start_) {}

Progress::~Progress() {
  if (told_) tell(true);
}

void Progress::advance(int64_t amount) {
  constexpr double kQuiet = 2;  // seconds
  done_ += amount;
  if (!observer_) return;
  const auto now = Clock::now();
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const std::chrono::duration<double> since = now - told_at_;
  if (seconds < kQuiet || since.count() < observer_->interval(seconds)) return;
  told_at_ = now;
  tell(false);
}

void Progress::tell(bool last) {
  observer_->progress({.label = label_,
                       .unit = unit_,
                       .note = note_,
                       .done = done_,
                       .total = total_,
                       .earlier = earlier_,
                       .seconds = std::chrono::duration<double>(Clock::now() - start_).count(),
                       .last = last});
  told_ = true;
}

std::string format_seconds(double seconds) {
  if (seconds < 59.95) return fmt::format("{:.1f} s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
}

std::string format_bytes(uint64_t bytes) {
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = double(bytes);
  const char* unit = "";
  for (const char* next : {"KB", "MB", "GB", "TB"}) {
    if (value < 999.5) break;  // a value that would be printed as 1000 gets the next unit
    value /= 1000;
    unit = next;
  }
  return fmt::format("{:.{}f} {}", value, value < 9.95 ? 1 : 0, unit);
}

std::string format_count(int64_t count) {
  const std::string digits = std::to_string(count < 0 ? -count : count);
  std::string text = count < 0 ? "-" : "";
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

}  // namespace patina

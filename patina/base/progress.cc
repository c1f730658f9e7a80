#include "patina/base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <cstdio>

namespace patina {

namespace {
std::atomic<bool> enabled{true};
}

using Clock = std::chrono::steady_clock;

Progress::Progress(std::string label, int64_t total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      start_(Clock::now()),
      printed_(start_) {}

Progress::~Progress() {
  if (shown_) print(true);
}

void Progress::enable(bool on) {
  enabled = on;
}

void Progress::advance(int64_t amount) {
  done_ += amount;
  if (!enabled) return;
  static const bool terminal = ::isatty(STDERR_FILENO);
  const auto now = Clock::now();
  const std::chrono::duration<double> since_start = now - start_, since_print = now - printed_;
  const double interval = terminal ? 0.2 : std::min(60.0, 5 + since_start.count() / 20);
  if (since_start.count() < 2 || since_print.count() < interval) return;
  printed_ = now;
  print(false);
}

void Progress::print(bool last) {
  static const bool terminal = ::isatty(STDERR_FILENO);
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = done_ / std::max(seconds, 1e-9);
  std::string line = fmt::format("{}: {}", label_, format_count(done_));
  if (total_ > 0) line += fmt::format("/{}", format_count(total_));
  line += fmt::format(" {}, {:.{}f} a second", unit_, rate, rate < 10 ? 2 : 0);
  if (!note_.empty()) line += ", " + note_;
  if (last) {
    line += fmt::format(", {}", format_seconds(seconds));
  } else if (total_ > done_ && rate > 0) {
    line += fmt::format(", {} left", format_seconds((total_ - done_) / rate));
  }
  if (terminal) {
    std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), last ? "\n" : "");
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
  std::fflush(stderr);
  shown_ = true;
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
    if (value < 999.5) break;  // what would round to 1000 is one of the next unit
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

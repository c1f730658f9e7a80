#include "patina/base/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "patina/base/progress.h"

namespace patina {

Console::Console(bool with_progress)
    : with_progress_(with_progress), terminal_(::isatty(STDERR_FILENO) != 0) {}

double Console::interval(double seconds) const {
  return terminal_ ? 0.2 : std::min(60.0, 5 + seconds / 20);
}

void Console::progress(const ProgressState& state) {
  if (!with_progress_) return;
  const double rate = double(state.done - state.earlier) / std::max(state.seconds, 1e-9);
  std::string line = fmt::format("{}: {}", state.label, format_count(state.done));
  if (state.total > 0) line += fmt::format("/{}", format_count(state.total));
  line += fmt::format(" {}, {:.{}f} a second", state.unit, rate, rate < 10 ? 2 : 0);
  if (!state.note.empty()) line += fmt::format(", {}", state.note);
  if (state.last)
    line += fmt::format(", {}", format_seconds(state.seconds));
  else if (state.total > state.done && rate > 0)
    line += fmt::format(", {} left", format_seconds(double(state.total - state.done) / rate));
  const std::lock_guard lock(mutex_);
  if (terminal_)
    std::fprintf(stderr, "\r\033[K%s%s", line.c_str(), state.last ? "\n" : "");
  else
    std::fprintf(stderr, "%s\n", line.c_str());
  std::fflush(stderr);
}

void Console::warning(std::string_view text) {
  note(text);
}

void Console::note(std::string_view text) {
  const std::lock_guard lock(mutex_);
  std::fprintf(stderr, "%.*s\n", int(text.size()), text.data());
}

}  // namespace patina

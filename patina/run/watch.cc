#include "patina/run/watch.h"

#include <algorithm>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr double kBetweenWrites = 1;  // seconds

}  // namespace

RunWatch::RunWatch(Work& work, fs::path folder, int64_t tasks, double seconds)
    : work_(work), outer_(work.observer), folder_(std::move(folder)), earlier_seconds_(seconds) {
  progress_.tasks = tasks;
  work_.observer = this;
}

RunWatch::~RunWatch() {
  work_.observer = outer_;
  remove_progress(folder_);
}

void RunWatch::go_on_without_events(const Error& error) {
  events_.reset();
  warning(fmt::format("{}\nthe run goes on without events for TensorBoard", error.what()));
}

void RunWatch::with_events(const std::function<void(RunEvents&)>& work) {
  if (!events_) return;
  try {
    work(*events_);
  } catch (const Error& error) {
    go_on_without_events(error);
  }
}

void RunWatch::write_events(std::string_view recipe, bool resumed) {
  const std::lock_guard lock(mutex_);
  try {
    events_ = std::make_unique<RunEvents>(folder_, recipe, resumed);
    losses_.emplace([this](int64_t step, double loss) {
      const std::lock_guard hearing(mutex_);
      with_events([&](RunEvents& events) { events.loss(step, loss); });
    });
  } catch (const Error& error) {
    go_on_without_events(error);
  }
}

void RunWatch::measured(const Record& record) {
  const std::lock_guard lock(mutex_);
  with_events([&](RunEvents& events) { events.task(record); });
}

void RunWatch::learned(int64_t tasks, const std::string& part) {
  const std::lock_guard lock(mutex_);
  progress_.learned = tasks;
  progress_.part = part;
  progress_.unit = progress_.note = "";
  progress_.done = progress_.total = progress_.earlier = 0;
  progress_.part_seconds = 0;
  write();
}

void RunWatch::write() {
  written_ = Clock::now();
  progress_.run_seconds =
      earlier_seconds_ + std::chrono::duration<double>(written_ - began_).count();
  write_progress(folder_, progress_);
}

void RunWatch::progress(const ProgressState& state) {
  const std::lock_guard lock(mutex_);
  const std::chrono::duration<double> since = Clock::now() - written_;
  if (since.count() >= kBetweenWrites) {
    progress_.part = state.label;
    progress_.unit = state.unit;
    progress_.note = state.note;
    progress_.done = state.done;
    progress_.total = state.total;
    progress_.earlier = state.earlier;
    progress_.part_seconds = state.seconds;
    write();
  }
  if (!outer_) return;
  // The observer before hears of a part as seldom as it asks, and of its end if it heard of it.
  const auto told = told_.find(state.label);
  if (state.last) {
    if (told == told_.end()) return;
    told_.erase(told);
    return outer_->progress(state);
  }
  const double before = told == told_.end() ? 0 : told->second;
  if (state.seconds - before < outer_->interval(state.seconds)) return;
  told_.insert_or_assign(std::string(state.label), state.seconds);
  outer_->progress(state);
}

double RunWatch::interval(double seconds) const {
  return outer_ ? std::min(kBetweenWrites, outer_->interval(seconds)) : kBetweenWrites;
}

void RunWatch::warning(std::string_view text) {
  if (outer_) outer_->warning(text);
}

void RunWatch::note(std::string_view text) {
  if (outer_) outer_->note(text);
}

}  // namespace patina

// What lets others follow a run while it goes: progress.json in its folder and, if asked for,
// TensorBoard's events. It hears the work as its observer and passes everything on to the observer
// before it.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "patina/base/work.h"
#include "patina/learn/loss_scope.h"
#include "patina/record/run_events.h"
#include "patina/record/run_progress.h"

namespace patina {

class RunWatch : public Observer {
 public:
  /// Takes the place of the observer of `work`, until it is destroyed; progress.json ends with it.
  /// `seconds`: of the run in earlier processes.
  RunWatch(Work& work, fs::path folder, int64_t tasks, double seconds);
  ~RunWatch() override;
  RunWatch(const RunWatch&) = delete;
  RunWatch& operator=(const RunWatch&) = delete;

  /// From now on writes events, too, the loss of this thread's steps among them. Where they cannot
  /// be written there is a warning, and the run goes on without.
  void write_events(std::string_view recipe, bool resumed);
  /// The record after a task.
  void measured(const Record& record);
  /// So many tasks are learned and evaluated; what follows is called `part`.
  void learned(int64_t tasks, const std::string& part);

  void progress(const ProgressState& state) override;
  double interval(double seconds) const override;
  void warning(std::string_view text) override;
  void note(std::string_view text) override;

 private:
  using Clock = std::chrono::steady_clock;
  void write();
  void go_on_without_events(const Error& error);
  void with_events(const std::function<void(RunEvents&)>& work);

  Work& work_;
  Observer* const outer_;
  const fs::path folder_;
  const double earlier_seconds_;
  const Clock::time_point began_ = Clock::now();

  std::mutex mutex_;
  std::unique_ptr<RunEvents> events_;
  std::optional<LossScope> losses_;
  RunProgress progress_;
  Clock::time_point written_;
  std::map<std::string, double, std::less<>> told_;  // per part: its seconds when last passed on
};

}  // namespace patina

// A piece of work: its observer and its costs. Every call into the library that may take long
// belongs to one, on all its threads. There is no process-wide state.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace patina {

/// The progress of a part of the work.
struct ProgressState {
  std::string_view label, unit, note;  // "task 2: training", "images", "loss 0.31"
  int64_t done = 0, total = 0;         // in `unit`; total 0: unknown
  int64_t earlier = 0;                 // of `done`: by an earlier process, whose time is not known
  double seconds = 0;                  // since the part began
  bool last = false;                   // the part has ended
};

/// Receives events. Must be thread-safe if the work uses several threads.
class Observer {
 public:
  virtual ~Observer() = default;
  /// Called at most once in `interval` seconds, where `interval` gets the elapsed seconds of the
  /// part. Called at the part's end only if it was called before.
  virtual void progress(const ProgressState&) {}
  virtual double interval(double /*seconds*/) const { return 0.2; }
  /// A problem that does not stop the work.
  virtual void warning(std::string_view /*text*/) {}
  /// A part is done: "task 2/10: accuracy over 20 classes 81.50 %".
  virtual void note(std::string_view /*text*/) {}
};

struct Work {
  explicit Work(Observer* observer = nullptr) : observer(observer) {}

  Observer* observer;  // lent; null: none
  /// Called between batches; if it returns true, the work is abandoned.
  std::function<bool()> should_stop;
  std::atomic<int64_t> forward_flops{0}, backward_flops{0};
};

/// The work of this thread; null: none.
Work* current_work();

/// Makes this thread part of `work` during the scope. Helper threads inherit it.
class WorkScope {
 public:
  explicit WorkScope(Work* work);
  ~WorkScope();
  WorkScope(const WorkScope&) = delete;
  WorkScope& operator=(const WorkScope&) = delete;

 private:
  Work* before_;
};

/// Sends a warning to the current work's observer, if any.
void warn(std::string_view text);
void note(std::string_view text);

/// Throws Error(stopped) if the current work should stop.
void stop_if_asked();

}  // namespace patina

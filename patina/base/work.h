// What a piece of work reports to, and what it costs. Every call into the library that may take a
// while has one, on whatever threads it runs; there is nothing of the whole process.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace patina {

/// How far a part of the work is.
struct ProgressState {
  std::string_view label, unit, note;  // "task 2: training", "images", "loss 0.31"
  int64_t done = 0, total = 0;         // of `unit`; a total of 0 is unknown
  double seconds = 0;                  // since it began
  bool last = false;                   // it has ended
};

/// Hears of what happens. Thread-safe where the work it hears of uses several threads.
class Observer {
 public:
  virtual ~Observer() = default;
  /// At most every `interval` seconds of a part of the work, given how long that has taken; at its
  /// end only where it was called before.
  virtual void progress(const ProgressState&) {}
  virtual double interval(double /*seconds*/) const { return 0.2; }
  /// Something that the user should know, though the work goes on.
  virtual void warning(std::string_view /*text*/) {}
  /// A part is done: "task 2/10: accuracy over 20 classes 81.50 %".
  virtual void note(std::string_view /*text*/) {}
};

struct Work {
  explicit Work(Observer* observer = nullptr) : observer(observer) {}

  Observer* observer;  // lent; null: nobody listens
  /// Asked between batches; true: what is going on is given up.
  std::function<bool()> should_stop;
  std::atomic<int64_t> forward_flops{0}, backward_flops{0};
};

/// The work that this thread is part of; null: none.
Work* current_work();

/// This thread is part of `work` while the scope lasts. Threads that help take it over.
class WorkScope {
 public:
  explicit WorkScope(Work* work);
  ~WorkScope();
  WorkScope(const WorkScope&) = delete;
  WorkScope& operator=(const WorkScope&) = delete;

 private:
  Work* before_;
};

/// To the current work's observer; nowhere where there is none.
void warn(std::string_view text);
void note(std::string_view text);

/// Throws Error(stopped) where the current work should stop.
void stop_if_asked();

}  // namespace patina

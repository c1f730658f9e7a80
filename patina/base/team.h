// A team of threads for loops of microseconds, one after another.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace patina {

/// Unlike a ThreadPool it is quick, and unlike OpenMP's teams it waits for nobody who is not there:
/// the caller works, too, and a thread that wakes up late, because others hold its core, finds that
/// its share was done. Threads that have nothing to do yield their core to whoever wants it, and
/// after a millisecond sleep.
class Team {
 public:
  /// `threads` >= 1, the caller included.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const;

  /// Calls work(i) once for every i in [0, pieces), below 2^31, and waits. A thread that is there
  /// takes neighbouring pieces, the same in every loop of as many, so that its caches know them.
  /// Called inside of work, or while another thread's call is under way, it works alone. An
  /// exception is rethrown, the first one to come, when all is done.
  void run(int64_t pieces, const std::function<void(int64_t)>& work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace patina

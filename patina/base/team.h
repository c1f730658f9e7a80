// A team of threads for many consecutive loops of microseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace patina {

/// Faster to start than a ThreadPool, and unlike OpenMP's teams it does not wait for threads that
/// are not running: the caller works as well, and if a thread wakes up late because its core is
/// busy, its share is already done. Idle threads yield their core, and sleep after a millisecond.
class Team {
 public:
  /// `threads` >= 1, including the caller.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const;

  /// Calls work(i) once for every i in [0, pieces), pieces < 2^31, and waits. Each thread gets
  /// neighbouring pieces, the same in every loop of equal size, for its caches. Called inside work,
  /// or while another thread's call is running, it uses the calling thread only. The first
  /// exception is rethrown after all pieces are done.
  void run(int64_t pieces, const std::function<void(int64_t)>& work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace patina

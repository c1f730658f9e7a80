// A team of threads for many consecutive loops of microseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

namespace patina {

/// Starts a loop faster than a ThreadPool. Unlike OpenMP's teams it does not wait for threads that
/// are not running: the caller works as well and takes over the share of a thread that wakes up
/// late. Idle threads yield their core and sleep after about a millisecond.
class Team {
 public:
  /// `threads` >= 1, including the caller.
  explicit Team(int threads);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int threads() const;

  /// Calls work(i) once for each i in [0, pieces), pieces < 2^31, and waits. For the sake of caches
  /// a thread gets neighbouring pieces, the same in every loop of equal size. A call from inside
  /// work, or while another thread's call is running, uses only the calling thread. The first
  /// exception is rethrown after all pieces are done.
  void run(int64_t pieces, const std::function<void(int64_t)>& work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace patina

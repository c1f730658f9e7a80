// What is to be learned, one request after the other, through the journal.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "patina/serve/journal.h"

namespace patina::serve {

enum class LessonState { waiting, learned, refused };

/// A request to learn. Its state changes once.
struct Lesson {
  uint64_t sequence = 0;
  std::string key;
  LessonState state = LessonState::waiting;
  int status = 0;      // of HTTP, if it was refused
  std::string why;     // it was refused
  std::string result;  // what it answers when it was learned: JSON
};

/// What happened to a request that was handed in.
struct HandedIn {
  enum class How { taken, repeated, full } how = How::full;
  uint64_t sequence = 0;
};

struct LessonOptions {
  int64_t capacity = 64;     // requests that wait; beyond it they are refused
  double save_after_s = 10;  // the artefact is saved so long after something new was learned...
  uint64_t journal_bytes = uint64_t{256} << 20;  // or once the journal has so many bytes
};

/// Learns on a thread of its own. A request is in the journal before hand_in returns; after a crash
/// the next Lessons learns it. Thread-safe.
class Lessons {
 public:
  struct Work {
    /// Learns an entry and returns what its request is answered. Throws HttpError or Error if it
    /// cannot be learned; then nothing has changed.
    std::function<std::string(const JournalEntry&)> learn;
    /// Saves what was learned so far with the journal's mark.
    std::function<void(const std::string& mark)> save;
    std::function<void(const std::string& text)> warn;
  };

  /// Learns what the journal has pending before it returns, and saves then. `mark` is the
  /// artefact's.
  Lessons(Journal& journal, const std::string& mark, LessonOptions options, Work work);
  /// Learns what was handed in, saves, and ends.
  ~Lessons();
  Lessons(const Lessons&) = delete;
  Lessons& operator=(const Lessons&) = delete;

  /// Throws Error(file) if the journal cannot store it. A request with the key of an earlier one is
  /// that one.
  HandedIn hand_in(JournalEntry entry);
  /// Waits until it is learned or refused.
  Lesson wait_for(uint64_t sequence);
  /// The state of a request; one that is older than the last thousands, and was saved, was learned.
  Lesson state_of(uint64_t sequence) const;
  std::optional<uint64_t> find(const std::string& key) const { return journal_.find(key); }

  int64_t waiting() const;
  int64_t unsaved() const;
  void stop();

 private:
  void run();
  void learn(const JournalEntry& entry);
  void save();

  Journal& journal_;
  const LessonOptions options_;
  const Work work_;

  mutable std::mutex mutex_;
  std::condition_variable changed_, done_;
  std::deque<JournalEntry> waiting_;
  bool learning_ = false, stopping_ = false;
  std::map<uint64_t, Lesson> lessons_;  // the last ones
  uint64_t learned_ = 0, saved_ = 0;    // the last number that was learned or refused, and saved
  std::chrono::steady_clock::time_point save_at_;
  std::mutex order_;  // numbers are given in the order of the queue
  std::thread worker_;
};

/// Within a catch: the status of HTTP for the exception, and what is said. Of an internal fault the
/// text is not the client's.
std::pair<int, std::string> status_of_caught();

}  // namespace patina::serve

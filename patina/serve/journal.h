// The journal of what is to be learned: a request is in it, on the disk, before it is acknowledged.
// After a crash the requests that the artefact does not have yet are learned from here. The
// artefact itself says up to which request it goes (its mark), so nothing is learned twice: the
// mark and the state are one file, which is replaced as a whole.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/file.h"

namespace patina::serve {

/// A request as it is stored.
struct JournalEntry {
  uint64_t sequence = 0;                // 1, 2, 3...: in the order in which they are learned
  std::string key;                      // names the request: one that is sent again is learned once
  std::string request;                  // JSON, without the samples' bytes
  std::vector<std::string> blobs = {};  // the samples' bytes
};

/// The file of one artefact. Thread-safe. One process at a time has it open.
///
/// After the first line come records: the length of a record (4 bytes), a checksum (8 bytes), the
/// length of its JSON (4 bytes), the JSON and the blobs, numbers in little-endian order. The first
/// record names the journal; it is written with the file, under a temporary name, so it is always
/// whole. A record that was being written when the process ended is cut off when the file is
/// opened: it was never acknowledged.
class Journal {
 public:
  /// Opens the journal at `path`, or makes one. `mark` is the artefact's; "": it has none. Throws
  /// Error(state) if the file is damaged, in use, or has requests for another artefact.
  Journal(fs::path path, const std::string& mark);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// The requests that the artefact does not have, in order.
  const std::vector<JournalEntry>& pending() const { return pending_; }
  void forget_pending() { pending_ = {}; }
  /// Bytes that were cut off the end.
  uint64_t cut() const { return cut_; }

  /// Gives the entry the next number and stores it. When this returns, it is on the disk. Throws
  /// Error(file) if it cannot be; the file is as before then, or takes no more entries.
  uint64_t append(JournalEntry entry);
  /// Notes that an entry was not learned: its key may be used again. A mark at or past `sequence`
  /// says the same, so this need not reach the disk.
  void refused(uint64_t sequence, const std::string& key);
  /// The number of the entry with this key, if it was appended and not refused: one of those since
  /// the artefact was saved, or of the last thousands before.
  std::optional<uint64_t> find(const std::string& key) const;

  /// What an artefact that has everything up to `sequence` stores.
  std::string mark(uint64_t sequence) const;
  /// Drops the entries up to `sequence`: the artefact was saved with that mark.
  void saved(uint64_t sequence);
  uint64_t bytes() const;
  uint64_t last() const;  // number of the last entry

 private:
  struct Kept {
    uint64_t sequence, begin, end;  // where in the file
    std::string key;
  };
  int begin_file(const std::string& id, uint64_t base);
  void put(int file, std::string_view bytes) const;

  const fs::path path_;
  mutable std::mutex mutex_;
  int file_ = -1;
  bool broken_ = false;  // the disk failed: what is in the file is not certain
  std::string id_;
  uint64_t size_ = 0, last_ = 0, cut_ = 0;
  std::deque<Kept> entries_;                                   // in the file
  std::deque<std::pair<std::string, uint64_t>> earlier_keys_;  // of entries that were dropped
  std::vector<JournalEntry> pending_;
};

}  // namespace patina::serve

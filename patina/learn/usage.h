// How often scoring chose each of several entries, for diagnostics.
#pragma once

#include <cstdint>
#include <mutex>
#include <vector>

#include "patina/base/json_fwd.h"
#include "patina/dist/workers.h"

namespace patina {

/// Counts how often each entry was chosen, to detect a selection that collapses to one entry.
/// Thread-safe, because it is updated during scoring.
class Usage {
 public:
  void reset();
  /// chosen: any shape, int64 below `entries`.
  void add(const Tensor& chosen, int64_t entries);
  /// Adds what the other workers have counted, who scored other samples.
  void add_up(Workers& workers);
  /// {"histogram": [...], "entropy": in nats, "entropy_part": fraction of log(entries), null for
  /// one entry}; null if nothing was counted.
  Json json() const;

 private:
  mutable std::mutex mutex_;
  std::vector<int64_t> counts_;
};

}  // namespace patina

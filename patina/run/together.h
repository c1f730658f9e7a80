// What the workers of a run agree on, so that each of them does the same.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "patina/base/json_fwd.h"
#include "patina/dist/workers.h"
#include "patina/run/run_folder.h"

namespace patina {

/// The workers of a run. The first of them reads and writes the run's folder, which the others may
/// not even see, and decides. All workers make the same calls. Without workers, everything is what
/// this process says.
class Together {
 public:
  explicit Together(Workers* workers) : workers_(workers) {}  // lent

  int size() const { return workers_ ? workers_->size() : 1; }
  bool leads() const { return !workers_ || workers_->first(); }
  /// Whether any worker says so.
  bool any(bool said) const { return workers_ ? patina::any(*workers_, said) : said; }

  /// What the first worker says; `said` is called there only.
  bool agreed(const std::function<bool()>& said) const;
  std::string text(const std::function<std::string()>& said) const;
  std::optional<Json> record(const std::function<std::optional<Json>()>& said) const;
  /// The folder's newest checkpoint.
  Archive checkpoint(const RunFolder& folder) const;

  /// Throws Error(workers) if a worker's hash of its state is not the first one's. `when`: "after
  /// task 2".
  void check_same(const std::string& hash, const std::string& when) const;

 private:
  std::string text_of_first(const std::string& text) const;

  Workers* workers_;
};

}  // namespace patina

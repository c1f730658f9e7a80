// An observer that prints to standard error: what the program shows its user.
#pragma once

#include <mutex>

#include "patina/base/work.h"

namespace patina {

/// Shows progress as one line that is overwritten on a terminal, and as separate lines elsewhere.
/// Each warning and each note is a line of its own.
class Console : public Observer {
 public:
  explicit Console(bool with_progress = true);
  void progress(const ProgressState& state) override;
  double interval(double seconds) const override;
  void warning(std::string_view text) override;
  void note(std::string_view text) override;

 private:
  bool with_progress_, terminal_;
  std::mutex mutex_;
};

}  // namespace patina

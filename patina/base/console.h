// An observer that prints to the standard error output: what the program shows its user.
#pragma once

#include <mutex>

#include "patina/base/work.h"

namespace patina {

/// One line that is written over on a terminal, plain lines elsewhere; warnings and notes a line
/// each.
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

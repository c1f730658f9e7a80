// Records what an observer is told while a test's scope lasts.
#pragma once

#include <mutex>
#include <string>

#include "patina/base/work.h"

namespace patina {

/// Keeps warnings and notes, one per line.
class Heard : public Observer {
 public:
  void warning(std::string_view text) override { add(text); }
  void note(std::string_view text) override { add(text); }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  void add(std::string_view line) {
    const std::lock_guard lock(mutex_);
    text_.append(line).append("\n");
  }

  mutable std::mutex mutex_;
  std::string text_;
  Work work_{this};
  WorkScope scope_{&work_};
};

}  // namespace patina

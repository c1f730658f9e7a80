#include "patina/base/work.h"

#include <utility>

#include "patina/base/error.h"

namespace patina {

namespace {
thread_local Work* current = nullptr;
}

Work* current_work() {
  return current;
}

WorkScope::WorkScope(Work* work) : before_(std::exchange(current, work)) {}

WorkScope::~WorkScope() {
  current = before_;
}

void warn(std::string_view text) {
  if (current && current->observer) current->observer->warning(text);
}

void note(std::string_view text) {
  if (current && current->observer) current->observer->note(text);
}

void stop_if_asked() {
  if (current && current->should_stop && current->should_stop())
    fail(ErrorKind::stopped, "stopped");
}

}  // namespace patina

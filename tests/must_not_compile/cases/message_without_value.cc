// Every place that a message keeps for a value has one.
#include "patina/base/error.h"

namespace patina::message_without_value {

void refuse(int line) {
#ifndef CONTROL
  fail(ErrorKind::format, "line {}: {}", line);  // expect: a constant expression
#else
  fail(ErrorKind::format, "line {}: {}", line, "empty");
#endif
}

}  // namespace patina::message_without_value

// The variables of a body that runs: of the template, a macro, a generation block.
#pragma once

#include <vector>

#include "patina/text/chat/tree.h"

namespace patina::chat {

struct Frame {
  Frame(Frame* around, size_t count) : outer(around), slots(count) {}

  Frame* outer;
  std::vector<Value> slots;
};

/// A macro and the frame that it was made in. Frames that macros refer to outlive them.
struct Macro {
  const Statement* statement;
  Frame* frame;
};

}  // namespace patina::chat

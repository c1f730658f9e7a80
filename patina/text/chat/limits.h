// Limits of chat templates.
#pragma once

#include <cstddef>
#include <cstdint>

namespace patina {

struct ChatLimits {
  size_t template_bytes = size_t{1} << 20;
  size_t nesting = 100;            // of expressions, of blocks, and of lists in lists
  size_t calls = 600;              // nested evaluations, macros within macros included
  int64_t steps = 20'000'000;      // an expression is a step, and so are 16 bytes that are made
  size_t bytes = size_t{1} << 26;  // of the rendered text and of each value
};

}  // namespace patina

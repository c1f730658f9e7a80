// What a text metric compares: one answer with what it should have been.
#pragma once

#include <string>
#include <vector>

namespace patina {

struct TextSample {
  std::string prediction;
  std::vector<std::string> references;  // a metric of no references is undefined
  std::string source;                   // what was to be rewritten; only SARI reads it
};

}  // namespace patina

// The input of a text metric: one answer and its references.
#pragma once

#include <string>
#include <vector>

namespace patina {

struct TextSample {
  std::string prediction;
  std::vector<std::string> references;  // if empty, metrics are undefined
  std::string source;                   // the text to be rewritten; only SARI reads it
};

}  // namespace patina

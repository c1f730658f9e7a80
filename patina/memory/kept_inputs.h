// Inputs as a network reads them, kept by slot: for methods that read their memory when they
// answer, where nothing can load a sample again.
#pragma once

#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/nn/input.h"

namespace patina {

/// One input a slot, on the host: pixels, or the token ids of a text without padding.
class KeptInputs {
 public:
  /// Stores sample `row` of `input` in `slot`, which exists or is the next one.
  void set(size_t slot, const Input& input, int64_t row);
  size_t size() const { return rows_.size(); }
  /// The inputs in some slots, on the host; texts are as long as the longest of them.
  Input at(const std::vector<size_t>& slots) const;
  void state(Archive& a);

 private:
  std::vector<Input> rows_;  // of one sample each
};

}  // namespace patina

// Converts a piece of text to ids. A piece is a word, or the whole text if the model does not split
// it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace patina {

/// encode() is thread-safe and accepts any UTF-8 text that is not empty.
class TextModel {
 public:
  virtual ~TextModel() = default;
  /// Appends the ids of `piece`.
  virtual void encode(std::string_view piece, std::vector<int64_t>& ids) const = 0;
};

}  // namespace patina

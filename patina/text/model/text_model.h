// What turns a piece of text (a word, or a whole text where a model does not split first) into ids.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace patina {

/// encode() may be called from any thread, with any UTF-8 text that is not empty.
class TextModel {
 public:
  virtual ~TextModel() = default;
  /// Appends the ids of `piece`.
  virtual void encode(std::string_view piece, std::vector<int64_t>& ids) const = 0;
};

}  // namespace patina

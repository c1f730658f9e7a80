// The bytes of a GGUF file, piece by piece, right or wrong.
#pragma once

#include <string_view>
#include <vector>

#include "patina/base/file.h"

namespace patina {

class GgufWriting {
 public:
  template <class T>
  GgufWriting& number(T value) {
    const auto* from = reinterpret_cast<const uint8_t*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
    return *this;
  }
  GgufWriting& raw(std::string_view text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    return *this;
  }
  GgufWriting& text(std::string_view text) { return number(uint64_t(text.size())).raw(text); }
  GgufWriting& start(uint64_t tensors, uint64_t settings, uint32_t version = 3) {
    return raw("GGUF").number(version).number(tensors).number(settings);
  }
  /// The key and the number of its type; the value comes next.
  GgufWriting& setting(std::string_view key, uint32_t type) { return text(key).number(type); }
  /// Dimensions in the order of the file, the length of a row first.
  GgufWriting& tensor(std::string_view name, const std::vector<uint64_t>& dimensions, uint32_t type,
                      uint64_t offset = 0) {
    text(name).number(uint32_t(dimensions.size()));
    for (const uint64_t extent : dimensions) number(extent);
    return number(type).number(offset);
  }
  /// Pads to the alignment and adds `count` bytes of 1.
  GgufWriting& data(size_t count, size_t alignment = 32) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    bytes.resize(bytes.size() + count, 1);
    return *this;
  }

  Bytes bytes;
};

}  // namespace patina

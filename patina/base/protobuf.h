// Protobuf's wire format, written field by field: enough for the few messages of other programs
// that we write, so that no protobuf library stands beside LibTorch's own.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

namespace patina {

/// A message. Fields stay in the order in which they are added, under the numbers of their .proto
/// file; a field that is added again is an element of a list.
class ProtobufMessage {
 public:
  ProtobufMessage& whole(uint64_t field, int64_t value) {  // int32, int64, bool, enum
    key(field, 0);
    varint(uint64_t(value));
    return *this;
  }
  ProtobufMessage& real32(uint64_t field, float value) {
    key(field, 5);
    little_endian(std::bit_cast<uint32_t>(value));
    return *this;
  }
  ProtobufMessage& real64(uint64_t field, double value) {
    key(field, 1);
    little_endian(std::bit_cast<uint64_t>(value));
    return *this;
  }
  ProtobufMessage& text(uint64_t field, std::string_view value) {  // string, bytes
    key(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  ProtobufMessage& message(uint64_t field, const ProtobufMessage& value) {
    return text(field, value.bytes_);
  }

  const std::string& bytes() const { return bytes_; }

 private:
  void key(uint64_t field, uint64_t type) { varint(field << 3 | type); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += char(uint8_t(value) | 0x80);
    bytes_ += char(uint8_t(value));
  }
  template <class Word>
  void little_endian(Word word) {
    for (size_t i = 0; i < sizeof(Word); ++i) bytes_ += char(uint8_t(word >> (8 * i)));
  }

  std::string bytes_;
};

}  // namespace patina

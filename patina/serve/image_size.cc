#include "patina/serve/image_size.h"

namespace patina::serve {

namespace {

int64_t big_endian(std::string_view bytes, size_t at, int count) {
  int64_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | uint8_t(bytes[at + size_t(i)]);
  return value;
}

// JPEG is a list of segments, each a marker and its length; a frame's header has the size.
std::optional<ImageSize> jpeg_size(std::string_view bytes) {
  size_t at = 2;
  while (at + 4 <= bytes.size()) {
    if (uint8_t(bytes[at]) != 0xff) return std::nullopt;
    const auto marker = uint8_t(bytes[at + 1]);
    if (marker == 0xff) {  // fill bytes may stand before a marker
      ++at;
      continue;
    }
    if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) {  // without a length
      at += 2;
      continue;
    }
    const bool scan = marker == 0xda || marker == 0xd9;
    const bool frame =
        marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
    if (scan) return std::nullopt;
    if (frame) {
      if (at + 9 > bytes.size()) return std::nullopt;
      return ImageSize{.height = big_endian(bytes, at + 5, 2),
                       .width = big_endian(bytes, at + 7, 2)};
    }
    at += 2 + size_t(big_endian(bytes, at + 2, 2));
  }
  return std::nullopt;
}

}  // namespace

std::optional<ImageSize> image_size(std::string_view bytes) {
  constexpr std::string_view kPng("\x89PNG\r\n\x1a\n", 8), kJpeg("\xff\xd8", 2);
  if (bytes.starts_with(kJpeg)) return jpeg_size(bytes);
  if (!bytes.starts_with(kPng) || bytes.size() < 24 || bytes.substr(12, 4) != "IHDR")
    return std::nullopt;
  return ImageSize{.height = big_endian(bytes, 20, 4), .width = big_endian(bytes, 16, 4)};
}

}  // namespace patina::serve

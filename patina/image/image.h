// Images in memory: 8-bit RGB, decoded from JPEG and PNG.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "patina/base/file.h"

namespace patina {

/// Pixels [height, width, 3], rows first, RGB, 0..255.
struct Image {
  int height = 0;
  int width = 0;
  std::vector<uint8_t> pixels;

  Image() = default;
  Image(int height, int width);
  uint8_t* row(int y) { return pixels.data() + size_t(y) * width * 3; }
  const uint8_t* row(int y) const { return pixels.data() + size_t(y) * width * 3; }
};

/// Widths and heights above this are refused before anything is allocated.
inline constexpr int kLargestSide = 16384;
/// And images of more pixels than this.
inline constexpr int64_t kMostPixels = int64_t{1} << 27;

/// Decodes JPEG or PNG, told apart by their first bytes. Grey becomes RGB, alpha is dropped, 16-bit
/// channels are reduced to 8, palettes are resolved, CMYK is converted: what Pillow's
/// `Image.open(...).convert("RGB")` gives, except that 16-bit grey is scaled where Pillow clips it
/// to white. Throws Error(format) naming `origin` on anything else, on truncation and on damage (a
/// JPEG that libjpeg only warns about as corrupt or premature is damaged).
Image decode_image(std::span<const uint8_t> bytes, std::string_view origin);
Image read_image(const fs::path& path);

/// True when the name ends in .jpg, .jpeg or .png, whatever the case.
bool is_image_name(const fs::path& path);

/// Encodes PNG (tests, examples, reports).
Bytes encode_png(const Image& image);
/// Encodes JPEG with 4:2:0 subsampling.
Bytes encode_jpeg(const Image& image, int quality = 90);

}  // namespace patina

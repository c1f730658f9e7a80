// Images in memory: 8-bit RGB, decoded from JPEG and PNG.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "patina/base/file.h"

namespace patina {

/// Pixels [height, width, 3], row by row, RGB, 0 to 255.
struct Image {
  int height = 0;
  int width = 0;
  std::vector<uint8_t> pixels;

  Image() = default;
  Image(int height, int width);
  uint8_t* row(int y) { return pixels.data() + size_t(y) * width * 3; }
  const uint8_t* row(int y) const { return pixels.data() + size_t(y) * width * 3; }
};

/// Images with a larger width or height are refused before memory is allocated.
inline constexpr int kLargestSide = 16384;
/// Images with more pixels are refused in the same way.
inline constexpr int64_t kMostPixels = int64_t{1} << 27;

/// Decodes JPEG or PNG, detected by the first bytes. Grey becomes RGB, alpha is dropped, 16-bit
/// channels are reduced to 8, palettes are resolved, CMYK is converted: equal to Pillow's
/// `Image.open(...).convert("RGB")`, except that 16-bit grey is scaled where Pillow clips it to
/// white. Throws Error(format) with `origin` for other formats, truncated and damaged files
/// (including JPEG files that libjpeg only warns about as corrupt or premature).
Image decode_image(std::span<const uint8_t> bytes, std::string_view origin);
Image read_image(const fs::path& path);

/// Whether the name ends in .jpg, .jpeg or .png, in upper or lower case.
bool is_image_name(const fs::path& path);

/// Encodes as PNG (tests, examples, reports).
Bytes encode_png(const Image& image);
/// Encodes as JPEG with 4:2:0 subsampling.
Bytes encode_jpeg(const Image& image, int quality = 90);

}  // namespace patina

// The decoders behind decode_image, one per format. Each reads bytes that start with its format's
// signature and throws Error(format) with `origin` if they are damaged.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "patina/image/image.h"

namespace patina::detail {

bool is_jpeg(std::span<const uint8_t> bytes);
bool is_png(std::span<const uint8_t> bytes);

Image decode_jpeg(std::span<const uint8_t> bytes, std::string_view origin);
Image decode_png(std::span<const uint8_t> bytes, std::string_view origin);

/// Throws unless an image of this size may be allocated. `most_pixels` is the largest number of
/// pixels the format can store in these bytes, so that a few bytes that claim a huge image are
/// refused before memory is allocated.
void check_size(int64_t height, int64_t width, int64_t most_pixels, std::string_view origin);

}  // namespace patina::detail

// The decoders behind decode_image, one a format. Each takes bytes that start with its format's
// signature and throws Error(format) naming `origin` on damage.
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

/// Throws unless an image of this size may be allocated. `most_pixels` is what the format can hold
/// in the bytes at hand: a few bytes that claim a huge image are refused before memory is spent on
/// them.
void check_size(int64_t height, int64_t width, int64_t most_pixels, std::string_view origin);

}  // namespace patina::detail

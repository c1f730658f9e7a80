// How large an image is, without decoding it: a few bytes can decode to a gigabyte.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace patina::serve {

struct ImageSize {
  int64_t height = 0, width = 0;
};

/// The size that the headers of a JPEG or PNG file state; nothing if there is none.
std::optional<ImageSize> image_size(std::string_view bytes);

}  // namespace patina::serve

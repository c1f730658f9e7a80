// Images: allocation, detection of formats, and the limits that all decoders check.
#include "patina/image/image.h"

#include <algorithm>
#include <cctype>

#include "patina/base/error.h"
#include "patina/image/codec.h"

namespace patina {

namespace {
constexpr uint64_t kLargestFile = uint64_t{1} << 29;
}

Image::Image(int height, int width) : height(height), width(width) {
  PATINA_REQUIRE(height >= 0 && width >= 0, "an image of {} x {}", width, height);
  pixels.resize(size_t(height) * width * 3);
}

namespace detail {

void check_size(int64_t height, int64_t width, int64_t most_pixels, std::string_view origin) {
  if (height < 1 || width < 1) fail(ErrorKind::format, "{}: an image without pixels", origin);
  if (height > kLargestSide || width > kLargestSide)
    fail(ErrorKind::format, "{}: {} x {} pixels; no side may exceed {}, scale the image down",
         origin, width, height, kLargestSide);
  if (height * width > kMostPixels)
    fail(ErrorKind::format, "{}: {} x {} pixels, more than the limit of {}; scale the image down",
         origin, width, height, kMostPixels);
  if (height * width > most_pixels)
    fail(ErrorKind::format, "{}: truncated: too few bytes for {} x {} pixels", origin, width,
         height);
}

}  // namespace detail

Image decode_image(std::span<const uint8_t> bytes, std::string_view origin) {
  if (bytes.empty()) fail(ErrorKind::format, "{}: an empty file, not an image", origin);
  if (detail::is_jpeg(bytes)) return detail::decode_jpeg(bytes, origin);
  if (detail::is_png(bytes)) return detail::decode_png(bytes, origin);
  fail(ErrorKind::format, "{}: neither JPEG nor PNG; convert the image to one of them", origin);
}

Image read_image(const fs::path& path) {
  return decode_image(read_file(path, kLargestFile), path.string());
}

bool is_image_name(const fs::path& path) {
  std::string extension = path.extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return char(std::tolower(c)); });
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

}  // namespace patina

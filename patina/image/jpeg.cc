// JPEG through TurboJPEG, with the accurate DCT and smooth chroma upsampling, as in Pillow.
#include <turbojpeg.h>

#include <memory>

#include "patina/base/error.h"
#include "patina/image/codec.h"

namespace patina {

namespace {

struct Destroy {
  void operator()(void* handle) const { tjDestroy(handle); }
};
using Handle = std::unique_ptr<void, Destroy>;

// Every 8x8 block of the largest component costs at least one bit, so a byte holds at most 512
// pixels.
constexpr int64_t kJpegPixelsPerByte = 512;

// libjpeg continues after a warning. These few leave the pixels intact; the others mean that some
// were invented. (TurboJPEG also reports an error that follows a warning as a warning, so only the
// text is decisive.)
bool is_harmless(std::string_view warning) {
  return warning.starts_with("Unknown Adobe color transform code") ||
         warning.starts_with("Warning: unknown JFIF revision number") ||
         warning.starts_with("Invalid SOS parameters for sequential JPEG");
}

void decode_into(tjhandle handle, std::span<const uint8_t> bytes, TJPF format, uint8_t* pixels,
                 std::string_view origin) {
  // LIMITSCANS: a progressive image with thousands of tiny scans would decode for hours.
  const int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
  if (tjDecompress2(handle, bytes.data(), bytes.size(), pixels, 0, 0, 0, format, flags) == 0)
    return;
  const std::string_view message = tjGetErrorStr2(handle);
  if (tjGetErrorCode(handle) == TJERR_WARNING && is_harmless(message)) return;
  fail(ErrorKind::format, "{}: damaged JPEG: {}", origin, message);
}

// Pillow's conversion of Adobe's inverted CMYK: (255 - c)(255 - k) / 255, rounded.
uint8_t ink(uint8_t inverted_color, uint8_t inverted_black) {
  const int color = 255 - inverted_color;
  const int scaled = color * inverted_black + 128;
  return uint8_t(inverted_black - (((scaled >> 8) + scaled) >> 8));
}

}  // namespace

namespace detail {

bool is_jpeg(std::span<const uint8_t> bytes) {
  return bytes.size() >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

Image decode_jpeg(std::span<const uint8_t> bytes, std::string_view origin) {
  const Handle handle(tjInitDecompress());
  if (!handle) fail(ErrorKind::format, "{}: cannot start TurboJPEG", origin);
  int width = 0, height = 0, subsampling = -1, color_space = -1;
  // The error may only mean a subsampling that TurboJPEG has no name for; it still decodes it.
  const int status = tjDecompressHeader3(handle.get(), bytes.data(), bytes.size(), &width, &height,
                                         &subsampling, &color_space);
  if (status != 0 && (width < 1 || height < 1 || color_space < 0))
    fail(ErrorKind::format, "{}: damaged JPEG: {}", origin, tjGetErrorStr2(handle.get()));
  check_size(height, width, int64_t(bytes.size()) * kJpegPixelsPerByte, origin);

  Image image(height, width);
  if (color_space != TJCS_CMYK && color_space != TJCS_YCCK) {
    decode_into(handle.get(), bytes, TJPF_RGB, image.pixels.data(), origin);
    return image;
  }
  Bytes cmyk(size_t(height) * width * 4);
  decode_into(handle.get(), bytes, TJPF_CMYK, cmyk.data(), origin);
  for (size_t i = 0; i < size_t(height) * width; ++i)
    for (size_t c = 0; c < 3; ++c) image.pixels[3 * i + c] = ink(cmyk[4 * i + c], cmyk[4 * i + 3]);
  return image;
}

}  // namespace detail

Bytes encode_jpeg(const Image& image, int quality) {
  PATINA_REQUIRE(image.height > 0 && image.width > 0, "an empty image");
  PATINA_REQUIRE(quality >= 1 && quality <= 100, "quality {}", quality);
  const Handle handle(tjInitCompress());
  if (!handle) fail(ErrorKind::file, "cannot start TurboJPEG");
  unsigned char* packed = nullptr;
  unsigned long size = 0;
  Finally release([&] { tjFree(packed); });
  if (tjCompress2(handle.get(), image.pixels.data(), image.width, 0, image.height, TJPF_RGB,
                  &packed, &size, TJSAMP_420, quality, TJFLAG_ACCURATEDCT) != 0)
    fail(ErrorKind::file, "cannot encode a JPEG of {} x {} pixels: {}", image.width, image.height,
         tjGetErrorStr2(handle.get()));
  return {packed, packed + size};
}

}  // namespace patina

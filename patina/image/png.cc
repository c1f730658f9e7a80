// PNG through libpng. libpng reports errors by longjmp, so the code that calls it has no object
// with a destructor between the jump and its target.
#include <png.h>

#include <csetjmp>
#include <cstring>
#include <string>

#include "patina/base/error.h"
#include "patina/image/codec.h"

namespace patina {

namespace {

// One byte of deflate yields at most 1032 bytes, and a byte of raw data at most 8 pixels.
constexpr int64_t kPngPixelsPerByte = 1032 * 8;

// libpng's input, and its error message.
struct Input {
  std::span<const uint8_t> rest;
  char message[128] = "";
};

void read_bytes(png_structp png, png_bytep out, size_t count) {
  auto& input = *static_cast<Input*>(png_get_io_ptr(png));
  if (count > input.rest.size()) png_error(png, "truncated");
  std::memcpy(out, input.rest.data(), count);
  input.rest = input.rest.subspan(count);
}

void on_error(png_structp png, png_const_charp message) {
  auto& input = *static_cast<Input*>(png_get_error_ptr(png));
  std::strncpy(input.message, message, sizeof input.message - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

// Runs `body`, which calls libpng; false if libpng failed. `body` must not own anything.
template <class Body>
bool guarded(png_structp png, Body body) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  body();
  return true;
}

}  // namespace

namespace detail {

bool is_png(std::span<const uint8_t> bytes) {
  return bytes.size() >= 8 && png_sig_cmp(bytes.data(), 0, 8) == 0;
}

Image decode_png(std::span<const uint8_t> bytes, std::string_view origin) {
  Input input{bytes};
  png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &input, on_error, on_warning);
  png_infop info = png ? png_create_info_struct(png) : nullptr;
  Finally release([&] { png_destroy_read_struct(&png, &info, nullptr); });
  if (!info) fail(ErrorKind::format, "{}: cannot start libpng", origin);
  const auto damaged = [&] {
    fail(ErrorKind::format, "{}: damaged PNG: {}", origin, input.message);
  };

  const bool opened = guarded(png, [&] {
    png_set_read_fn(png, &input, read_bytes);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_size has the better
                                                                 // message
    // Pillow's pixels do not depend on gamma, profiles or texts, so none is parsed.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png, info);
  });
  if (!opened) damaged();
  const int64_t width = png_get_image_width(png, info), height = png_get_image_height(png, info);
  check_size(height, width, int64_t(bytes.size()) * kPngPixelsPerByte, origin);

  Image image{int(height), int(width)};
  std::vector<png_bytep> rows(height);
  for (int y = 0; y < image.height; ++y) rows[y] = image.row(y);
  const bool read = guarded(png, [&] {
    png_set_strip_16(png);  // keeps the high byte, as Pillow does
    png_set_expand(png);
    png_set_strip_alpha(png);
    png_set_gray_to_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
    if (png_get_rowbytes(png, info) != size_t(width) * 3) png_error(png, "unexpected row size");
    png_read_image(png, rows.data());
    png_read_end(png, nullptr);
  });
  if (!read) damaged();
  return image;
}

}  // namespace detail

Bytes encode_png(const Image& image) {
  PATINA_REQUIRE(image.height > 0 && image.width > 0, "an empty image");
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  header.width = png_uint_32(image.width);
  header.height = png_uint_32(image.height);
  header.format = PNG_FORMAT_RGB;
  Bytes packed(PNG_IMAGE_PNG_SIZE_MAX(header));
  png_alloc_size_t size = packed.size();
  if (!png_image_write_to_memory(&header, packed.data(), &size, 0, image.pixels.data(), 0, nullptr))
    fail(ErrorKind::file, "cannot encode a PNG of {} x {} pixels: {}", image.width, image.height,
         header.message);
  packed.resize(size);
  return packed;
}

}  // namespace patina

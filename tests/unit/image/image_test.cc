// Decoding: pixels are compared with Pillow's; damaged and hostile files are errors.
#include "patina/image/image.h"

#include "tests/support/shared.h"
#include "tests/unit/image/fixtures.h"

namespace patina {
namespace {

class DecodesAsPillow : public ::testing::TestWithParam<const char*> {};

TEST_P(DecodesAsPillow, EveryPixel) {
  const Image image = read_image(fixture(GetParam()));
  const Image expected = read_ppm(fixture(std::string(GetParam()) + ".ppm"));
  ASSERT_EQ(image.height, expected.height);
  ASSERT_EQ(image.width, expected.width);
  EXPECT_EQ(largest_difference(image.pixels, expected.pixels), 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, DecodesAsPillow,
                         ::testing::Values("rgb.png", "grey.png", "bilevel.png", "grey_alpha.png",
                                           "rgba.png", "palette.png", "palette4.png",
                                           "palette_alpha.png", "interlaced.png", "rgb16.png",
                                           "grey16.png", "yuv444.jpg", "yuv420.jpg", "yuv422.jpg",
                                           "progressive.jpg", "grey.jpg", "cmyk.jpg"));

TEST(Image, EveryTruncationIsAnErrorThatNamesTheFile) {
  for (const char* name : {"rgb.png", "interlaced.png", "yuv420.jpg", "progressive.jpg"}) {
    const Bytes bytes = read_file(fixture(name));
    for (size_t length = 0; length < bytes.size(); length += 7) {
      const auto error = error_of([&] { decode_image(std::span(bytes).first(length), "cat.png"); });
      EXPECT_TRUE(error.starts_with("cat.png: ")) << name << " cut to " << length << ": " << error;
    }
  }
}

TEST(Image, DamageInTheDataIsAnError) {
  Bytes png = read_file(fixture("rgb.png"));
  png[png.size() / 2] ^= 0x55;
  EXPECT_NE(error_of([&] { decode_image(png, "a.png"); }).find("damaged PNG"), std::string::npos);

  // An end marker in the middle of the scan: libjpeg warns, and fills in the rest.
  Bytes jpeg = read_file(fixture("yuv444.jpg"));
  jpeg[jpeg.size() - 200] = 0xff;
  jpeg[jpeg.size() - 199] = 0xd9;
  EXPECT_NE(error_of([&] { decode_image(jpeg, "a.jpg"); }).find("damaged JPEG"), std::string::npos);
}

TEST(Image, OtherFormatsAreRefusedByName) {
  const std::string gif = "GIF89a and so on";
  const std::span bytes(reinterpret_cast<const uint8_t*>(gif.data()), gif.size());
  EXPECT_EQ(error_of([&] { decode_image(bytes, "a.gif"); }),
            "a.gif: neither JPEG nor PNG; convert the image to one of them");
  EXPECT_EQ(error_of([&] { decode_image({}, "b.png"); }), "b.png: an empty file, not an image");
}

// The size stands at bytes 16..23 of a PNG, and its checksum at 29..32.
Bytes png_of_size(uint32_t width, uint32_t height) {
  Bytes png = read_file(fixture("grey.png"));
  const auto store = [&](size_t at, uint32_t value) {
    for (int i = 0; i < 4; ++i) png[at + i] = uint8_t(value >> (24 - 8 * i));
  };
  store(16, width);
  store(20, height);
  store(29, uint32_t(crc32(0, &png[12], 17)));
  return png;
}

TEST(Image, HugeSizesAreRefusedBeforeMemoryIsSpent) {
  const auto error = [](uint32_t width, uint32_t height) {
    return error_of([&] { decode_image(png_of_size(width, height), "big.png"); });
  };
  EXPECT_NE(error(20000, 10).find("no side may exceed 16384"), std::string::npos);
  EXPECT_NE(error(16384, 16384).find("more than the limit"), std::string::npos);
  EXPECT_NE(error(16000, 8000).find("truncated: too few bytes"), std::string::npos);
  EXPECT_NE(error(0, 8).find("big.png"), std::string::npos);

  Bytes jpeg = read_file(fixture("grey.jpg"));
  const uint8_t frame[] = {0xff, 0xc0};
  const auto at = std::ranges::search(jpeg, frame).begin();
  ASSERT_NE(at, jpeg.end());
  at[5] = 0x1f;  // height 0x1f17
  at[7] = 0x1f;
  EXPECT_NE(error_of([&] { decode_image(jpeg, "big.jpg"); }).find("truncated: too few bytes"),
            std::string::npos);
}

TEST(Image, PngRoundTripIsExactAndJpegIsClose) {
  const Image image = read_ppm(fixture("input.ppm"));
  const Image png = decode_image(encode_png(image), "round trip");
  EXPECT_EQ(png.width, 37);
  EXPECT_EQ(png.pixels, image.pixels);

  const Image flat = [] {
    Image made(20, 30);
    std::ranges::fill(made.pixels, uint8_t{77});
    return made;
  }();
  const Image jpeg = decode_image(encode_jpeg(flat, 95), "round trip");
  EXPECT_EQ(jpeg.height, 20);
  EXPECT_LE(largest_difference(jpeg.pixels, flat.pixels), 1);
}

TEST(Image, NamesOfImages) {
  for (const char* name : {"a.jpg", "b/c.JPEG", "d.x.PnG"})
    EXPECT_TRUE(is_image_name(name)) << name;
  for (const char* name : {"a.gif", "jpg", "a.jpg.txt", ".png"})
    EXPECT_FALSE(is_image_name(name)) << name;
}

}  // namespace
}  // namespace patina

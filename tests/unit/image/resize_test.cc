// Resizing and cropping against Pillow and torchvision.
#include "patina/base/json.h"
#include "tests/support/shared.h"
#include "tests/unit/image/fixtures.h"

namespace patina {
namespace {

// Tensors of a safetensors file: a length, a JSON header with names and offsets, the data.
class Tensors {
 public:
  explicit Tensors(const fs::path& path) : bytes_(read_file(path)) {
    uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | bytes_.at(i);
    start_ = 8 + length;
    header_ = parse_json({reinterpret_cast<const char*>(&bytes_[8]), length}, path.string());
  }

  const Json& header() const { return header_; }
  std::vector<int> shape(const std::string& name) const { return header_.at(name).at("shape"); }
  std::span<const uint8_t> data(const std::string& name) const {
    const auto& place = header_.at(name).at("data_offsets");
    return std::span(bytes_).subspan(start_ + size_t(place[0]),
                                     size_t(place[1]) - size_t(place[0]));
  }

 private:
  Bytes bytes_;
  size_t start_;
  Json header_;
};

Image as_image(std::span<const uint8_t> pixels, int height, int width) {
  Image image(height, width);
  std::ranges::copy(pixels, image.pixels.begin());
  return image;
}

// An image without symmetry, of any size.
Image pattern(int height, int width) {
  Image image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < 3 * width; ++x) image.row(y)[x] = uint8_t(x * 37 + y * 101 + x * y);
  return image;
}

TEST(Resize, EqualsPillowOnTheSharedFixture) {
  PATINA_NEED_SHARED(path, "fixtures/vision/pil_resize.expected.safetensors");
  const Tensors file(path);
  const Image input = as_image(file.data("input_u8_hwc"), 61, 97);
  int compared = 0;
  for (const auto& [name, entry] : file.header().items()) {
    if (!name.starts_with("bicubic_") && !name.starts_with("bilinear_")) continue;
    const auto shape = file.shape(name);
    const auto filter = filter_named(name.substr(0, name.find('_')));
    const Image resized = resize(input, shape[0], shape[1], filter);
    EXPECT_EQ(largest_difference(resized.pixels, file.data(name)), 0) << name;
    ++compared;
  }
  EXPECT_GE(compared, 4);
}

TEST(Resize, ResizeAndCentreCropEqualTheModelsInput) {
  PATINA_NEED_SHARED(path, "fixtures/vision/deit_tiny.expected.safetensors");
  const Tensors file(path);
  const auto shape = file.shape("image_u8_hwc");
  ASSERT_EQ(shape[1], 32);
  constexpr int kSide = 224, kArea = kSide * kSide;
  const auto expected = file.data("resized256_cropped224_u8_chw_first2");
  for (int n = 0; n < 2; ++n) {
    const Image input = as_image(file.data("image_u8_hwc").subspan(n * 3072, 3072), 32, 32);
    const Image made =
        center_crop(resize_shorter(input, 256, Interpolation::bicubic), kSide, kSide);
    int largest = 0;
    for (int c = 0; c < 3; ++c)
      for (int i = 0; i < kArea; ++i)
        largest =
            std::max(largest, std::abs(made.pixels[3 * i + c] - expected[(n * 3 + c) * kArea + i]));
    EXPECT_EQ(largest, 0) << "image " << n;
  }
}

TEST(Resize, EqualsPillowOnOddSizes) {
  const Image input = read_ppm(fixture("input.ppm"));
  const Json cases = parse_json(read_text(fixture("pillow.json")), "pillow.json");
  for (const auto& c : cases.at("resized"))
    EXPECT_EQ(checksum(resize(input, c.at("height"), c.at("width"), filter_named(c.at("filter")))),
              c.at("crc32").get<uint32_t>())
        << c;
  for (const auto& c : cases.at("boxed"))
    EXPECT_EQ(checksum(resize_box(input, c.at("box").get<std::array<int, 4>>(), c.at("height"),
                                  c.at("width"), filter_named(c.at("filter")))),
              c.at("crc32").get<uint32_t>())
        << c;
  const Image large = resize(input, 1100, 1500, Interpolation::bicubic);
  for (const auto& c : cases.at("reduced"))
    EXPECT_EQ(checksum(resize(large, c.at("height"), c.at("width"), filter_named(c.at("filter")))),
              c.at("crc32").get<uint32_t>())
        << c;
}

TEST(Resize, AWindowIsThatPartOfTheWhole) {
  const Image input = pattern(19, 26);
  for (const auto& [height, width] : {std::pair{40, 60}, {19, 60}, {40, 26}, {7, 9}, {19, 26}}) {
    const Image whole = resize(input, height, width, Interpolation::bicubic);
    for (const std::array<int, 4> box : {std::array{0, 0, height, width},
                                         {2, 3, 4, 5},
                                         {-3, -2, 9, 30},
                                         {5, 6, 50, 70},
                                         {90, 0, 2, 2}}) {
      const Image part = resize_window(input, height, width, box, Interpolation::bicubic);
      EXPECT_EQ(part.pixels, crop(whole, box[0], box[1], box[2], box[3]).pixels)
          << width << "x" << height << " at " << box[0] << "," << box[1];
    }
  }
}

TEST(Resize, ShorterSideFollowsTorchvision) {
  EXPECT_EQ(shorter_resized(Image(375, 500), 256), (std::pair{256, 341}));  // int(256 * 500 / 375)
  EXPECT_EQ(shorter_resized(Image(500, 375), 256), (std::pair{341, 256}));
  EXPECT_EQ(shorter_resized(Image(64, 64), 7), (std::pair{7, 7}));
  const Image made = resize_shorter(pattern(10, 25), 4, Interpolation::bilinear);
  EXPECT_EQ(made.height, 4);
  EXPECT_EQ(made.width, 10);
  EXPECT_NE(error_of([] {
              resize_shorter(Image(1, 5000), 224, Interpolation::bicubic);
            }).find("no side may exceed 16384"),
            std::string::npos);
}

TEST(Crop, CentresAsTorchvisionRounds) {
  EXPECT_EQ(centered(10, 4), 3);
  EXPECT_EQ(centered(5, 4), 0);   // round(0.5)
  EXPECT_EQ(centered(7, 4), 2);   // round(1.5)
  EXPECT_EQ(centered(9, 4), 2);   // round(2.5)
  EXPECT_EQ(centered(11, 4), 4);  // round(3.5)
  EXPECT_EQ(centered(4, 4), 0);
  EXPECT_EQ(centered(3, 6), -1);  // torchvision pads (6 - 3) // 2 on the left
}

TEST(Crop, OutsideTheImageIsBlack) {
  const Image image = pattern(2, 2);
  const Image made = pad(image, 1);
  ASSERT_EQ(made.height, 4);
  ASSERT_EQ(made.width, 4);
  EXPECT_EQ(std::vector(made.row(0), made.row(1)), std::vector<uint8_t>(12, 0));
  EXPECT_EQ(std::vector(made.row(1) + 3, made.row(1) + 9), std::vector(image.row(0), image.row(1)));
  EXPECT_EQ(crop(made, 1, 1, 2, 2).pixels, image.pixels);
  EXPECT_EQ(center_crop(image, 4, 4).pixels, made.pixels);
}

TEST(Flip, MirrorsPixelsNotChannels) {
  Image image(1, 2);
  image.pixels = {1, 2, 3, 4, 5, 6};
  EXPECT_EQ(flip(image).pixels, (std::vector<uint8_t>{4, 5, 6, 1, 2, 3}));
  const Image odd = pattern(5, 7);
  EXPECT_NE(flip(odd).pixels, odd.pixels);
  EXPECT_EQ(flip(flip(odd)).pixels, odd.pixels);
}

}  // namespace
}  // namespace patina

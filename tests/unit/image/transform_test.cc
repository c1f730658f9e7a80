// Transforms: exact pixels where nothing is random, and the properties that random parts preserve.
#include "patina/image/transform.h"

#include <functional>
#include <set>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "tests/support/shared.h"
#include "tests/unit/image/fixtures.h"

namespace patina {
namespace {

TransformOptions plain(int64_t size) {
  TransformOptions options;
  options.size = size;
  options.normalize = "unit";
  return options;
}

std::vector<float> apply(const TransformOptions& options, const Image& image, Random random = {}) {
  std::vector<float> out(size_t(3 * options.size * options.size));
  const Transform transform(options);
  transform(image, random, out);
  return out;
}

Image input() {
  return read_ppm(fixture("input.ppm"));
}

// [3,S,S] floats of the "unit" normalisation, converted back to bytes.
Image to_image(const std::vector<float>& values, int side) {
  Image image(side, side);
  const size_t area = size_t(side) * side;
  for (size_t i = 0; i < area; ++i)
    for (size_t c = 0; c < 3; ++c)
      image.pixels[3 * i + c] = uint8_t(std::lround(values[c * area + i] * 255));
  return image;
}

TEST(Adjust, EqualsPillowsEnhancers) {
  const Json cases = parse_json(read_text(fixture("pillow.json")), "pillow.json");
  for (const auto& c : cases.at("enhanced")) {
    Image image = input();
    const std::string kind = c.at("kind");
    const double factor = c.at("factor");
    if (kind == "brightness") adjust_brightness(image, factor);
    if (kind == "contrast") adjust_contrast(image, factor);
    if (kind == "saturation") adjust_saturation(image, factor);
    EXPECT_EQ(checksum(image), c.at("crc32").get<uint32_t>()) << c;
  }
}

TEST(Normalization, IsPerChannel) {
  Image image(1, 1);
  image.pixels = {255, 0, 51};
  TransformOptions options = plain(1);
  options.normalize = "imagenet";
  const auto out = apply(options, image);
  EXPECT_FLOAT_EQ(out[0], (1 - 0.485f) / 0.229f);
  EXPECT_FLOAT_EQ(out[1], -0.456f / 0.224f);
  EXPECT_FLOAT_EQ(out[2], (0.2f - 0.406f) / 0.225f);
  options.normalize = "inception";
  EXPECT_EQ(apply(options, image), (std::vector<float>{1, -1, (0.2f - 0.5f) / 0.5f}));
}

TEST(Normalization, AnUnknownNameIsAnError) {
  const auto error = error_of([] { normalization("imagnet"); });
  EXPECT_NE(error.find("did you mean \"imagenet\"?"), std::string::npos) << error;
}

TEST(Transform, GeometryWithoutChance) {
  const Image image = input();
  EXPECT_EQ(to_image(apply(plain(16), image), 16).pixels,
            resize(image, 16, 16, Interpolation::bicubic).pixels);

  TransformOptions cropped = plain(16);
  cropped.resize = 20;
  cropped.interpolation = "bilinear";
  EXPECT_EQ(to_image(apply(cropped, image), 16).pixels,
            center_crop(resize_shorter(image, 20, Interpolation::bilinear), 16, 16).pixels);

  const Image exact = crop(image, 0, 0, 16, 16);
  EXPECT_EQ(to_image(apply(plain(16), exact), 16).pixels, exact.pixels);
}

// If it were resized as a whole, the thin image would be four million pixels long before its crop.
TEST(Transform, ASliverCostsOnlyItsCrop) {
  TransformOptions options = plain(224);
  options.resize = 4096;
  Image sliver(1, kLargestSide);
  std::ranges::fill(sliver.pixels, uint8_t{255});
  const auto out = apply(options, sliver);
  EXPECT_EQ(out, std::vector<float>(out.size(), 1.0f));
}

TEST(Transform, ItsBeginningDrawsNothing) {
  const Image image = input();
  TransformOptions cropped = plain(16);
  cropped.resize = 20;
  cropped.flip = true;
  const Transform crops(cropped);
  EXPECT_EQ(crops.fixed(image).pixels,
            center_crop(resize_shorter(image, 20, Interpolation::bicubic), 16, 16).pixels);
  TransformOptions padded = plain(16);
  padded.random_crop_padding = 4;
  EXPECT_EQ(Transform(padded).fixed(image).pixels,
            resize(image, 16, 16, Interpolation::bicubic).pixels);
  TransformOptions boxes = plain(16);
  boxes.random_resized_crop = true;
  EXPECT_EQ(Transform(boxes).fixed(image).pixels, image.pixels);
  padded.resize = 20;
  EXPECT_EQ(Transform(padded).fixed(image).pixels, image.pixels);

  // fixed_text contains only the options that change the deterministic start.
  EXPECT_EQ(Transform(boxes).fixed_text(), Transform(padded).fixed_text());
  TransformOptions other = cropped;
  other.normalize = "clip";
  other.flip = false;
  EXPECT_EQ(Transform(other).fixed_text(), crops.fixed_text());
  for (const auto& change : std::vector<std::function<void(TransformOptions&)>>{
           [](auto& o) { o.size = 15; }, [](auto& o) { o.resize = 21; },
           [](auto& o) { o.interpolation = "bilinear"; }}) {
    other = cropped;
    change(other);
    EXPECT_NE(Transform(other).fixed_text(), crops.fixed_text());
  }
}

TEST(Transform, ARandomCropOfAPaddedImageIsAWindowOfIt) {
  const Image image = input();
  for (const int64_t aspect : {0, 20}) {
    TransformOptions options = plain(16);
    options.random_crop_padding = 4;
    options.resize = aspect;
    const Image whole = aspect == 0 ? resize(image, 16, 16, Interpolation::bicubic)
                                    : resize_shorter(image, 20, Interpolation::bicubic);
    const Image padded = pad(whole, 4);
    for (uint64_t seed = 0; seed < 10; ++seed) {
      Random random = Seeds(seed)("crop");
      const Image got = to_image(apply(options, image, random), 16);
      const int top = int(random.below(uint64_t(padded.height) - 15));
      const int left = int(random.below(uint64_t(padded.width) - 15));
      EXPECT_EQ(got.pixels, crop(padded, top, left, 16, 16).pixels) << aspect << " " << seed;
    }
  }
}

TEST(Transform, EveryAugmentationIsAFunctionOfTheRandom) {
  TransformOptions options = plain(16);
  options.flip = true;
  options.brightness = options.contrast = options.saturation = 0.4;
  options.erase = 0.5;
  TransformOptions boxes = options;
  boxes.random_resized_crop = true;
  TransformOptions padded = options;
  padded.random_crop_padding = 4;
  const Image image = input();
  for (const auto& o : {options, boxes, padded}) {
    EXPECT_TRUE(Transform(o).random());
    std::set<std::vector<float>> seen;
    for (uint64_t i = 0; i < 20; ++i) {
      const Random random = Seeds(7)("augment", i);
      const auto out = apply(o, image, random);
      EXPECT_EQ(out, apply(o, image, random));
      seen.insert(out);
    }
    EXPECT_EQ(seen.size(), 20u);
  }
  EXPECT_FALSE(Transform(plain(16)).random());
}

TEST(Transform, FlipsHalfOfTheImages) {
  TransformOptions options = plain(16);
  options.flip = true;
  const Image image = crop(input(), 0, 0, 16, 16);
  const Image mirrored = flip(image);
  int flipped = 0;
  for (uint64_t i = 0; i < 1000; ++i) {
    const Image out = to_image(apply(options, image, Seeds(1)("flip", i)), 16);
    ASSERT_TRUE(out.pixels == image.pixels || out.pixels == mirrored.pixels);
    flipped += out.pixels == mirrored.pixels;
  }
  EXPECT_GT(flipped, 440);
  EXPECT_LT(flipped, 560);
}

TEST(Transform, PaddedCropMovesTheImageByAtMostThePadding) {
  TransformOptions options = plain(8);
  options.random_crop_padding = 2;
  const Image image = crop(input(), 0, 0, 8, 8);
  std::set<std::pair<int, int>> moves;
  for (uint64_t i = 0; i < 400; ++i) {
    const Image out = to_image(apply(options, image, Seeds(3)("crop", i)), 8);
    for (int dy = -2; dy <= 2; ++dy)
      for (int dx = -2; dx <= 2; ++dx)
        if (out.pixels == crop(image, dy, dx, 8, 8).pixels) moves.insert({dy, dx});
  }
  EXPECT_EQ(moves.size(), 25u);
}

// With a fixed scale and ratio, torchvision's box has one size, and only its position is random.
TEST(Transform, RandomBoxKeepsScaleAndRatio) {
  TransformOptions options = plain(10);
  options.random_resized_crop = true;
  options.scale = {0.25, 0.25};
  options.ratio = {1, 1};
  const Image image = crop(input(), 0, 0, 20, 20);
  std::set<std::vector<uint8_t>> allowed, met;
  for (int y = 0; y <= 10; ++y)
    for (int x = 0; x <= 10; ++x) allowed.insert(crop(image, y, x, 10, 10).pixels);
  for (uint64_t i = 0; i < 500; ++i)
    met.insert(to_image(apply(options, image, Seeds(5)("box", i)), 10).pixels);
  EXPECT_TRUE(std::ranges::includes(allowed, met));
  EXPECT_GT(met.size(), 100u);
}

TEST(Transform, ABoxThatNeverFitsFallsBackToTheCentre) {
  TransformOptions options = plain(4);
  options.random_resized_crop = true;
  options.scale = {1, 1};
  options.ratio = {4, 4};  // wider than the image can be
  const Image image = crop(input(), 0, 0, 20, 20);
  const Image out = to_image(apply(options, image, Seeds(5)("box")), 4);
  EXPECT_EQ(out.pixels, resize_box(image, {7, 0, 5, 20}, 4, 4, Interpolation::bicubic).pixels);
}

TEST(Transform, ErasesOneRectangleToTheMean) {
  TransformOptions options = plain(16);
  options.normalize = "inception";
  options.erase = 1;
  Image white(16, 16);
  std::ranges::fill(white.pixels, uint8_t{255});
  for (uint64_t n = 0; n < 50; ++n) {
    const auto out = apply(options, white, Seeds(9)("erase", n));
    int top = 16, left = 16, bottom = -1, right = -1;
    int64_t erased = 0;
    for (int i = 0; i < 256; ++i) {
      ASSERT_EQ(out[i], out[i + 256]);
      ASSERT_EQ(out[i], out[i + 512]);
      if (out[i] == 1.0f) continue;
      ASSERT_EQ(out[i], 0.0f);
      ++erased;
      top = std::min(top, i / 16), bottom = std::max(bottom, i / 16);
      left = std::min(left, i % 16), right = std::max(right, i % 16);
    }
    ASSERT_EQ(erased, (bottom - top + 1) * (right - left + 1));
    EXPECT_GE(erased, 3);
    EXPECT_LE(erased, 95);  // a third of the area, up to rounding of the sides
  }
}

TEST(Transform, TextNamesWhatMatters) {
  TransformOptions options = plain(224);
  options.resize = 256;
  options.flip = true;
  EXPECT_EQ(Transform(options).text(),
            "size=224 normalize=unit interpolation=bicubic resize=256 flip");
  EXPECT_EQ(Transform(plain(32)).text(), "size=32 normalize=unit interpolation=bicubic");
}

std::string recipe_error(std::string_view text) {
  return error_of([&] {
    TransformOptions options;
    auto file = RecipeFile::parse(text, "r.toml");
    file.bind(options);
    file.finish();
  });
}

TEST(TransformOptions, ChoicesAndRulesAreChecked) {
  EXPECT_EQ(recipe_error("size = 224\nresize = 256\nnormalize = \"clip\"\nflip = true\n"), "");
  EXPECT_NE(recipe_error("interpolation = \"nearest\"").find("interpolation"), std::string::npos);
  EXPECT_NE(recipe_error("normalize = \"imagnet\"").find("normalize"), std::string::npos);
  EXPECT_NE(recipe_error("scale = [0.5, 0.2]").find("lowest and highest"), std::string::npos);
  EXPECT_NE(recipe_error("ratio = [0.5]").find("lowest and highest"), std::string::npos);
  EXPECT_NE(recipe_error("ratio = [0.0, 1.0]").find("ratio"), std::string::npos);
  EXPECT_NE(recipe_error("size = 224\nresize = 200").find("black border"), std::string::npos);
  EXPECT_NE(recipe_error("random_resized_crop = true\nresize = 256").find("replaces resize"),
            std::string::npos);
}

}  // namespace
}  // namespace patina

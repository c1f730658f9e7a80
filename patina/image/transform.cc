// From a stored image to network input: geometry, augmentation, normalisation, in torchvision's
// order and with its sampling rules.
#include "patina/image/transform.h"

#include <algorithm>
#include <cmath>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr double kLargestInput = 4096;
constexpr int kTries = 10;  // attempts before torchvision uses a centred box

bool is_pair(const std::vector<double>& values) {
  return values.size() == 2 && values[0] <= values[1];
}

// The size of a box with random area (a fraction of the image, uniform in `scale`) and random
// aspect ratio (log-uniform in `ratio`); nothing if it does not fit.
struct Extent {
  double height, width;
};
Extent draw_extent(double area, const std::vector<double>& scale, const std::vector<double>& ratio,
                   Random& random) {
  const double target = area * random.uniform(scale[0], scale[1]);
  const double aspect = std::exp(random.uniform(std::log(ratio[0]), std::log(ratio[1])));
  return {std::nearbyint(std::sqrt(target / aspect)), std::nearbyint(std::sqrt(target * aspect))};
}

// torchvision's RandomResizedCrop.get_params.
std::array<int, 4> random_box(const Image& image, const std::vector<double>& scale,
                              const std::vector<double>& ratio, Random& random) {
  for (int i = 0; i < kTries; ++i) {
    const auto [h, w] = draw_extent(double(image.height) * image.width, scale, ratio, random);
    if (h < 1 || h > image.height || w < 1 || w > image.width) continue;
    const int top = int(random.below(uint64_t(image.height) - uint64_t(h) + 1));
    const int left = int(random.below(uint64_t(image.width) - uint64_t(w) + 1));
    return {top, left, int(h), int(w)};
  }
  double height = image.height, width = image.width;
  if (width / height < ratio[0])
    height = std::clamp(std::nearbyint(width / ratio[0]), 1.0, height);
  else if (width / height > ratio[1])
    width = std::clamp(std::nearbyint(height * ratio[1]), 1.0, width);
  return {(image.height - int(height)) / 2, (image.width - int(width)) / 2, int(height),
          int(width)};
}

double jitter(double strength, Random& random) {
  return random.uniform(std::max(0.0, 1 - strength), 1 + strength);
}

}  // namespace

void TransformOptions::bind(Fields& f) {
  std::vector<std::string> names = normalization_names();
  names.insert(names.begin(), "");
  f("size", size, "Side of the network's input in pixels; 0 takes the model's own.",
    between(0, kLargestInput));
  f("normalize", normalize, "Mean and deviation per channel; empty takes the model's own.", names);
  f("interpolation", interpolation,
    "The filter used for resizing, as Pillow defines it; empty takes the model's own, else "
    "bicubic.",
    {"", "bilinear", "bicubic"});
  f("resize", resize,
    "Shorter side in pixels before the crop to `size`; 0 resizes straight to size x size.",
    between(0, kLargestInput));
  f("random_resized_crop", random_resized_crop,
    "Train on a random box of the image, resized to size x size, instead of resize and crop.");
  f("scale", scale, "Area of the random box as a fraction of the image: lowest, highest.",
    {.low = 0, .high = 1, .low_open = true});
  f("ratio", ratio, "Width over height of the random box: lowest, highest.",
    {.low = 0.01, .high = 100});
  f("random_crop_padding", random_crop_padding,
    "Black pixels put on every side before a random crop back to `size`; 0 crops the middle.",
    between(0, kLargestInput));
  f("flip", flip, "Mirror half of the images left to right, at random.");
  f("brightness", brightness, "Random brightness: a factor in [1-x, 1+x].", between(0, 10));
  f("contrast", contrast, "Random contrast: a factor in [1-x, 1+x].", between(0, 10));
  f("saturation", saturation, "Random saturation: a factor in [1-x, 1+x].", between(0, 10));
  f("erase", erase,
    "Probability that a random rectangle (2 % to 33 % of the area) is set to the mean.",
    between(0, 1));
  f.require(is_pair(scale), "scale", "needs two values, lowest and highest");
  f.require(is_pair(ratio), "ratio", "needs two values, lowest and highest");
  f.require(resize == 0 || resize >= size, "resize",
            "is smaller than size, so the crop would show a black border");
  f.require(!random_resized_crop || (resize == 0 && random_crop_padding == 0),
            "random_resized_crop", "replaces resize and random_crop_padding; leave those at 0");
}

Transform::Transform(TransformOptions options) : options_(std::move(options)) {
  PATINA_REQUIRE(options_.size > 0 && options_.size <= kLargestInput, "size {}", options_.size);
  PATINA_REQUIRE(!options_.normalize.empty(), "no normalisation");
  if (options_.interpolation.empty()) options_.interpolation = "bicubic";
  PATINA_REQUIRE(options_.interpolation == "bilinear" || options_.interpolation == "bicubic", "{}",
                 options_.interpolation);
  PATINA_REQUIRE(is_pair(options_.scale) && is_pair(options_.ratio), "scale and ratio are pairs");
  interpolation_ =
      options_.interpolation == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
  const Normalization by = normalization(options_.normalize);
  for (size_t c = 0; c < 3; ++c)
    for (size_t level = 0; level < 256; ++level)
      normalized_[c][level] = (float(level) / 255.0f - by.mean[c]) / by.deviation[c];
}

// If a random crop follows a resize that keeps the aspect ratio, only the drawn window is resized:
// the whole image could become arbitrarily large for an extreme aspect ratio.
bool Transform::reads_stored() const {
  return options_.random_resized_crop || (options_.random_crop_padding > 0 && options_.resize > 0);
}

// {height, width} after the resize and before the crop.
std::pair<int, int> Transform::resized(const Image& image) const {
  return options_.resize > 0 ? shorter_resized(image, int(options_.resize))
                             : std::pair{size(), size()};
}

Image Transform::fixed(Image image) const {
  PATINA_REQUIRE(image.height > 0 && image.width > 0, "an empty image");
  if (reads_stored()) return image;
  const int side = size();
  const auto [height, width] = resized(image);
  if (image.height == height && image.width == width && height == side && width == side)
    return image;
  // Only the window that is cropped is computed.
  return resize_window(image, height, width,
                       {centered(height, side), centered(width, side), side, side}, interpolation_);
}

Image Transform::random_crop(const Image& image, Random& random) const {
  const int side = size();
  if (options_.random_resized_crop)
    return resize_box(image, random_box(image, options_.scale, options_.ratio, random), side, side,
                      interpolation_);
  const auto [height, width] = resized(image);
  const int padding = int(options_.random_crop_padding);
  const auto place = [&](int length) {
    const int room = length + 2 * padding - side;
    return room < 0 ? centered(length, side) : int(random.below(uint64_t(room) + 1)) - padding;
  };
  const int top = place(height), left = place(width);
  return resize_window(image, height, width, {top, left, side, side}, interpolation_);
}

void Transform::operator()(Image image, Random random, std::span<float> out) const {
  finish(fixed(std::move(image)), random, out);
}

void Transform::finish(const Image& image, Random random, std::span<float> out) const {
  const size_t area = size_t(size()) * size();
  PATINA_REQUIRE(out.size() == 3 * area, "{} floats for [3,{},{}]", out.size(), size(), size());
  PATINA_REQUIRE(reads_stored() || (image.height == size() && image.width == size()),
                 "{} x {} is no beginning of {}", image.width, image.height, text());

  Image made;  // empty while the image is unchanged
  if (crops_at_random()) made = random_crop(image, random);
  if (options_.flip && random.chance(0.5)) made = patina::flip(made.pixels.empty() ? image : made);
  const bool jitters = options_.brightness > 0 || options_.contrast > 0 || options_.saturation > 0;
  if (jitters && made.pixels.empty()) made = image;
  if (options_.brightness > 0) adjust_brightness(made, jitter(options_.brightness, random));
  if (options_.contrast > 0) adjust_contrast(made, jitter(options_.contrast, random));
  if (options_.saturation > 0) adjust_saturation(made, jitter(options_.saturation, random));

  const uint8_t* pixel = (made.pixels.empty() ? image : made).pixels.data();
  for (size_t i = 0; i < area; ++i, pixel += 3)
    for (size_t c = 0; c < 3; ++c) out[c * area + i] = normalized_[c][pixel[c]];
  if (options_.erase > 0 && random.chance(options_.erase)) erase(random, out);
}

// torchvision's RandomErasing with its default scale and ratio. After normalisation the mean is 0.
void Transform::erase(Random& random, std::span<float> out) const {
  const int side = size();
  for (int i = 0; i < kTries; ++i) {
    // torchvision's erasing defines the ratio as height over width, unlike its crop.
    const auto [width, height] = draw_extent(double(side) * side, {0.02, 0.33}, {0.3, 3.3}, random);
    if (height < 1 || height >= side || width < 1 || width >= side) continue;
    const int h = int(height), w = int(width);
    const int top = int(random.below(uint64_t(side) - uint64_t(h) + 1));
    const int left = int(random.below(uint64_t(side) - uint64_t(w) + 1));
    for (int c = 0; c < 3; ++c)
      for (int y = top; y < top + h; ++y)
        std::fill_n(&out[(size_t(c) * side + y) * side + left], w, 0.0f);
    return;
  }
}

bool Transform::random() const {
  const auto& o = options_;
  return o.random_resized_crop || o.random_crop_padding > 0 || o.flip || o.brightness > 0 ||
         o.contrast > 0 || o.saturation > 0 || o.erase > 0;
}

std::string Transform::text() const {
  const auto& o = options_;
  std::string text =
      fmt::format("size={} normalize={} interpolation={}", o.size, o.normalize, o.interpolation);
  if (o.random_resized_crop)
    text += fmt::format(" random_resized_crop scale={},{} ratio={},{}", o.scale[0], o.scale[1],
                        o.ratio[0], o.ratio[1]);
  else if (o.resize > 0)
    text += fmt::format(" resize={}", o.resize);
  if (o.random_crop_padding > 0)
    text += fmt::format(" random_crop_padding={}", o.random_crop_padding);
  if (o.flip) text += " flip";
  if (o.brightness > 0) text += fmt::format(" brightness={}", o.brightness);
  if (o.contrast > 0) text += fmt::format(" contrast={}", o.contrast);
  if (o.saturation > 0) text += fmt::format(" saturation={}", o.saturation);
  if (o.erase > 0) text += fmt::format(" erase={}", o.erase);
  return text;
}

std::string Transform::fixed_text() const {
  if (reads_stored()) return "as stored";
  return fmt::format("size={} interpolation={} resize={}", size(), options_.interpolation,
                     options_.resize);
}

}  // namespace patina

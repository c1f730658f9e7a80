// Colour jitter as in Pillow's ImageEnhance, and the models' normalisations.
#include <algorithm>
#include <cmath>

#include "patina/base/error.h"
#include "patina/image/transform.h"

namespace patina {

namespace {

struct NamedNormalization {
  std::string_view name;
  Normalization value;
};

constexpr NamedNormalization kNormalizations[] = {
    {"imagenet", {{0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}}},
    {"inception", {{0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}}},
    {"none", {{0, 0, 0}, {1, 1, 1}}},
    {"mnist", {{0.1307f, 0.1307f, 0.1307f}, {0.3081f, 0.3081f, 0.3081f}}},
    {"clip", {{0.48145466f, 0.4578275f, 0.40821073f}, {0.26862954f, 0.26130258f, 0.27577711f}}},
    {"unit", {{0, 0, 0}, {1, 1, 1}}},
    {"cifar100", {{0.5071f, 0.4867f, 0.4408f}, {0.2675f, 0.2565f, 0.2761f}}},
};

// ITU-R 601-2 luma in 16-bit fixed point, as Pillow's "L".
uint8_t grey(const uint8_t* pixel) {
  return uint8_t((pixel[0] * 19595 + pixel[1] * 38470 + pixel[2] * 7471 + 0x8000) >> 16);
}

// Pillow's Image.blend: single precision, truncated, and clipped when extrapolating.
uint8_t blend(int from, int to, float factor) {
  const float value = float(from) + factor * float(to - from);
  return uint8_t(std::clamp(value, 0.0f, 255.0f));
}

}  // namespace

Normalization normalization(std::string_view name) {
  for (const auto& known : kNormalizations)
    if (known.name == name) return known.value;
  fail(ErrorKind::usage, "no normalisation is called \"{}\"{}", name,
       did_you_mean(name, normalization_names()));
}

std::vector<std::string> normalization_names() {
  std::vector<std::string> names;
  for (const auto& known : kNormalizations) names.emplace_back(known.name);
  return names;
}

std::string normalization_name(const std::vector<double>& mean,
                               const std::vector<double>& deviation) {
  const auto near = [](const std::vector<double>& values, const std::array<float, 3>& known) {
    return std::ranges::equal(values, known,
                              [](double a, float b) { return std::abs(a - b) < 1e-4; });
  };
  for (const auto& known : kNormalizations)
    if (near(mean, known.value.mean) && near(deviation, known.value.deviation))
      return std::string(known.name);
  return "";
}

void adjust_brightness(Image& image, double factor) {
  for (uint8_t& value : image.pixels) value = blend(0, value, float(factor));
}

void adjust_contrast(Image& image, double factor) {
  const int64_t count = int64_t{image.height} * image.width;
  if (count == 0) return;
  int64_t sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += grey(&image.pixels[3 * i]);
  const int mean = int(double(sum) / double(count) + 0.5);
  for (uint8_t& value : image.pixels) value = blend(mean, value, float(factor));
}

void adjust_saturation(Image& image, double factor) {
  for (size_t i = 0; i < image.pixels.size(); i += 3) {
    const uint8_t level = grey(&image.pixels[i]);
    for (size_t c = i; c < i + 3; ++c)
      image.pixels[c] = blend(level, image.pixels[c], float(factor));
  }
}

}  // namespace patina

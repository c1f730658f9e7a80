// Resizing, cropping, flipping. The resize is Pillow's: each output pixel is a weighted mean of
// input pixels under a filter scaled with the image, in fixed point, one axis after the other.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "patina/base/error.h"
#include "patina/image/transform.h"

namespace patina {

namespace {

constexpr int kWeightBits =
    22;  // 8 bits of pixel, 2 of headroom for bicubic overshoot, 22 of weight

double triangle(double x) {
  return std::max(0.0, 1 - std::abs(x));
}

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// One axis of a resize: the input pixels that each output pixel reads, and their weights.
struct Axis {
  struct Window {
    int first, count;
    const int32_t* weights;
  };

  int span;  // number of weights stored per output pixel
  std::vector<int> first, count;
  std::vector<int32_t> weights;

  Window operator[](int i) const { return {first[i], count[i], &weights[size_t(i) * span]}; }
  // The range [low, high) of input pixels that are read.
  int low() const { return *std::ranges::min_element(first); }
  int high() const {
    int end = 0;
    for (size_t i = 0; i < first.size(); ++i) end = std::max(end, first[i] + count[i]);
    return end;
  }
};

// Output pixels [start, start + length) of a resize from `in` to `out` pixels. The order of the
// double operations is Pillow's, so that the rounded weights are equal.
Axis make_axis(int in, int out, int start, int length, Interpolation interpolation) {
  const auto filter = interpolation == Interpolation::bicubic ? cubic : triangle;
  const double scale = double(in) / out;
  const double widened = std::max(scale, 1.0);
  const double support = (interpolation == Interpolation::bicubic ? 2.0 : 1.0) * widened;
  const double narrowed = 1.0 / widened;

  Axis axis;
  axis.span = int(std::ceil(support)) * 2 + 1;
  axis.first.resize(length);
  axis.count.resize(length);
  axis.weights.resize(size_t(length) * axis.span);
  std::vector<double> exact(axis.span);
  for (int i = 0; i < length; ++i) {
    const double center = (start + i + 0.5) * scale;
    const int first = std::max(0, int(center - support + 0.5));
    const int count = std::min(in, int(center + support + 0.5)) - first;
    double sum = 0;
    for (int x = 0; x < count; ++x) {
      exact[x] = filter((x + first - center + 0.5) * narrowed);
      sum += exact[x];
    }
    int32_t* weights = &axis.weights[size_t(i) * axis.span];
    for (int x = 0; x < count; ++x) {
      const double weight = (sum != 0 ? exact[x] / sum : exact[x]) * (1 << kWeightBits);
      weights[x] = int32_t(weight < 0 ? weight - 0.5 : weight + 0.5);
    }
    axis.first[i] = first;
    axis.count[i] = count;
  }
  return axis;
}

uint8_t to_pixel(int32_t sum) {
  return uint8_t(std::clamp(sum >> kWeightBits, 0, 255));
}

constexpr int32_t kHalf = 1 << (kWeightBits - 1);

// Rows [top, bottom) of `image`, resized along x.
Image horizontal(const Image& image, const Axis& axis, int top, int bottom) {
  Image result(bottom - top, int(axis.first.size()));
  for (int y = 0; y < result.height; ++y) {
    const uint8_t* in = image.row(top + y);
    uint8_t* out = result.row(y);
    for (int x = 0; x < result.width; ++x, out += 3) {
      const auto [first, count, weights] = axis[x];
      const uint8_t* pixel = in + size_t(first) * 3;
      int32_t red = kHalf, green = kHalf, blue = kHalf;
      for (int k = 0; k < count; ++k, pixel += 3) {
        red += pixel[0] * weights[k];
        green += pixel[1] * weights[k];
        blue += pixel[2] * weights[k];
      }
      out[0] = to_pixel(red);
      out[1] = to_pixel(green);
      out[2] = to_pixel(blue);
    }
  }
  return result;
}

// Resizes along y; the first row of `image` is row `top` of the input.
Image vertical(const Image& image, const Axis& axis, int top) {
  Image result(int(axis.first.size()), image.width);
  const size_t bytes = size_t(image.width) * 3;
  std::vector<int32_t> sums(bytes);
  for (int y = 0; y < result.height; ++y) {
    const auto [first, count, weights] = axis[y];
    std::ranges::fill(sums, kHalf);
    for (int k = 0; k < count; ++k) {
      const uint8_t* in = image.row(first - top + k);
      const int32_t weight = weights[k];
      for (size_t x = 0; x < bytes; ++x) sums[x] += in[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), result.row(y), to_pixel);
  }
  return result;
}

// A box inside the resized image.
Image resize_inside(const Image& image, int height, int width, std::array<int, 4> box,
                    Interpolation interpolation) {
  const auto [top, left, rows, columns] = box;
  if (height == image.height && width == image.width) return crop(image, top, left, rows, columns);
  const Axis y = make_axis(image.height, height, top, rows, interpolation);
  const Axis x = make_axis(image.width, width, left, columns, interpolation);
  if (width == image.width) {
    // Pillow skips a pass that changes nothing; the columns outside the box are still removed.
    const int first = y.low();
    return vertical(crop(image, first, left, y.high() - first, columns), y, first);
  }
  if (height == image.height) return horizontal(image, x, top, top + rows);
  const int first = y.low();
  return vertical(horizontal(image, x, first, y.high()), y, first);
}

// Python's round(n / 2): rounds halves to even.
int rounded_half(int n) {
  const int floor = n >> 1;
  return n % 2 != 0 ? floor + (floor & 1) : floor;
}

}  // namespace

Image resize_window(const Image& image, int height, int width, std::array<int, 4> box,
                    Interpolation interpolation) {
  const auto [top, left, rows, columns] = box;
  PATINA_REQUIRE(image.height > 0 && image.width > 0 && height > 0 && width > 0,
                 "{} x {} to {} x {}", image.width, image.height, width, height);
  const int y0 = std::max(top, 0), x0 = std::max(left, 0);
  const int y1 = std::min(top + rows, height), x1 = std::min(left + columns, width);
  if (y0 >= y1 || x0 >= x1) return Image(rows, columns);
  Image inside = resize_inside(image, height, width, {y0, x0, y1 - y0, x1 - x0}, interpolation);
  if (inside.height == rows && inside.width == columns) return inside;
  return crop(inside, top - y0, left - x0, rows, columns);
}

Image resize(const Image& image, int height, int width, Interpolation interpolation) {
  return resize_window(image, height, width, {0, 0, height, width}, interpolation);
}

Image resize_box(const Image& image, std::array<int, 4> box, int height, int width,
                 Interpolation interpolation) {
  // Cropped first: the filter must not read pixels outside the box.
  return resize(crop(image, box[0], box[1], box[2], box[3]), height, width, interpolation);
}

std::pair<int, int> shorter_resized(const Image& image, int side) {
  PATINA_REQUIRE(image.height > 0 && image.width > 0 && side > 0, "{} x {} to {}", image.width,
                 image.height, side);
  const int narrow = std::min(image.height, image.width),
            wide = std::max(image.height, image.width);
  const int other = int(double(int64_t(side) * wide) / narrow);
  return image.width <= image.height ? std::pair{other, side} : std::pair{side, other};
}

Image resize_shorter(const Image& image, int side, Interpolation interpolation) {
  const auto [height, width] = shorter_resized(image, side);
  if (std::max(height, width) > kLargestSide)
    fail(ErrorKind::data, "an image of {} x {} cannot be resized to {} x {}; no side may exceed {}",
         image.width, image.height, width, height, kLargestSide);
  return resize(image, height, width, interpolation);
}

Image crop(const Image& image, int top, int left, int height, int width) {
  Image result(height, width);
  const int x0 = std::max(left, 0), x1 = std::min(left + width, image.width);
  if (x0 >= x1) return result;
  for (int y = std::max(top, 0); y < std::min(top + height, image.height); ++y)
    std::memcpy(result.row(y - top) + size_t(x0 - left) * 3, image.row(y) + size_t(x0) * 3,
                size_t(x1 - x0) * 3);
  return result;
}

int centered(int length, int window) {
  return window > length ? -((window - length) / 2) : rounded_half(length - window);
}

Image center_crop(const Image& image, int height, int width) {
  return crop(image, centered(image.height, height), centered(image.width, width), height, width);
}

Image flip(const Image& image) {
  Image result(image.height, image.width);
  for (int y = 0; y < image.height; ++y) {
    const uint8_t* in = image.row(y);
    uint8_t* out = result.row(y) + size_t(image.width) * 3;
    for (int x = 0; x < image.width; ++x, in += 3) std::memcpy(out -= 3, in, 3);
  }
  return result;
}

Image pad(const Image& image, int padding) {
  return crop(image, -padding, -padding, image.height + 2 * padding, image.width + 2 * padding);
}

}  // namespace patina

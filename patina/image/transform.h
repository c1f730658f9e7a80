// Geometry and colour: Pillow-exact resize, crops, flips, normalisation, and pipelines of them.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/image/image.h"

namespace patina {

enum class Interpolation { bilinear, bicubic };

/// Resizes with antialiasing, equal to Pillow's `Image.resize`: separable filters scaled with the
/// image, 22-bit fixed-point weights, horizontal pass first, 8-bit between the passes.
Image resize(const Image& image, int height, int width, Interpolation interpolation);
/// The part `box = {top, left, height, width}` of `resize(image, height, width, interpolation)`,
/// black outside the resized image. Computes no pixel outside the box.
Image resize_window(const Image& image, int height, int width, std::array<int, 4> box,
                    Interpolation interpolation);
/// The part `box = {top, left, height, width}` of `image`, resized (torchvision's resized_crop).
Image resize_box(const Image& image, std::array<int, 4> box, int height, int width,
                 Interpolation interpolation);
/// Resizes the shorter side to `side` and keeps the aspect ratio (torchvision's rule: the longer
/// side is int(side * long / short)). Throws Error(data) if the longer side exceeds kLargestSide.
Image resize_shorter(const Image& image, int side, Interpolation interpolation);
/// {height, width} of the result.
std::pair<int, int> shorter_resized(const Image& image, int side);
/// The central `height` x `width` (torchvision's rounding), padded with black where the image is
/// smaller.
Image center_crop(const Image& image, int height, int width);
/// Where a centred window of `window` pixels starts on a side of `length` pixels; negative if the
/// window is longer.
int centered(int length, int window);
/// The box may extend beyond the image; the outside is black.
Image crop(const Image& image, int top, int left, int height, int width);
Image flip(const Image& image);  // horizontally
/// Adds `padding` black pixels on every side.
Image pad(const Image& image, int padding);

/// Pillow's ImageEnhance, bit for bit: blends with black, with the mean grey, with the grey image.
/// Factor 1 changes nothing, 0 gives the image blended with, above 1 extrapolates.
void adjust_brightness(Image& image, double factor);
void adjust_contrast(Image& image, double factor);
void adjust_saturation(Image& image, double factor);

/// Mean and standard deviation per channel, for values in [0,1].
struct Normalization {
  std::array<float, 3> mean, deviation;
};
/// `imagenet`, `inception` ([-1,1]), `clip` or `unit` ([0,1], unchanged). Throws Error(usage) for
/// other names.
Normalization normalization(std::string_view name);
std::vector<std::string> normalization_names();
/// The name of these values, to four digits; "" if they have none.
std::string normalization_name(const std::vector<double>& mean,
                               const std::vector<double>& deviation);

/// How a stored image is transformed to network input.
struct TransformOptions {
  int64_t size = 0;           // side of the network's input; 0: as the model requires
  std::string normalize;      // "": as the model requires
  std::string interpolation;  // "": as the model requires, else bicubic
  int64_t resize = 0;         // shorter side before the crop; 0: resizes to size x size
  bool random_resized_crop = false;
  std::vector<double> scale = {0.05, 1.0};  // range of a random crop's area
  std::vector<double> ratio = {0.75, 4.0 / 3};
  int64_t random_crop_padding = 0;  // pads and crops back at a random position (after the resize)
  bool flip = false;                // random horizontal flip
  double brightness = 0, contrast = 0, saturation = 0;  // colour jitter, factor in [1-x, 1+x]
  double erase = 0;  // probability that a random rectangle is set to the mean

  void bind(Fields& f);
};

/// A pipeline made from options; immutable, thread-safe.
/// | Order: random resized crop, or resize and crop; flip; brightness, contrast, saturation;
/// normalisation; erasing. The first two follow torchvision's algorithms, on Pillow's pixels.
class Transform {
 public:
  /// `size` and `normalize` must be set: the caller fills in the model's values.
  explicit Transform(TransformOptions options);

  /// Writes [3,size,size] floats, normalised. `random` is for augmentation; a deterministic
  /// pipeline draws nothing. Equal to `finish(fixed(image), random, out)`.
  void operator()(Image image, Random random, std::span<float> out) const;
  /// The deterministic start of the pipeline: resize and crop, or nothing if a random box is taken
  /// from the stored image.
  Image fixed(Image image) const;
  /// The rest of the pipeline, applied to the result of `fixed`.
  void finish(const Image& image, Random random, std::span<float> out) const;

  bool random() const;  // whether results are random
  int size() const { return int(options_.size); }
  const TransformOptions& options() const { return options_; }
  /// Identifies the pipeline: equal texts give equal pixels.
  std::string text() const;
  /// The same for `fixed`.
  std::string fixed_text() const;

 private:
  bool crops_at_random() const {
    return options_.random_resized_crop || options_.random_crop_padding > 0;
  }
  bool reads_stored() const;
  std::pair<int, int> resized(const Image& image) const;
  Image random_crop(const Image& image, Random& random) const;
  void erase(Random& random, std::span<float> out) const;

  TransformOptions options_;
  Interpolation interpolation_;
  std::array<std::array<float, 256>, 3> normalized_;  // [channel][grey level]
};

}  // namespace patina

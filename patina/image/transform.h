// Geometry and colour: Pillow-exact resize, crops, flips, normalisation, and named pipelines of
// them.
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

/// Resizes with antialiasing as Pillow's `Image.resize` does: separable filters widened by the
/// scale, 22-bit fixed-point weights, horizontal pass first, 8-bit between the passes.
Image resize(const Image& image, int height, int width, Interpolation interpolation);
/// The part of `resize(image, height, width, interpolation)` at `box = {top, left, height, width}`,
/// black where the box leaves the resized image. Computes no pixel outside the box.
Image resize_window(const Image& image, int height, int width, std::array<int, 4> box,
                    Interpolation interpolation);
/// The part `box = {top, left, height, width}` of `image`, resized (torchvision's resized_crop).
Image resize_box(const Image& image, std::array<int, 4> box, int height, int width,
                 Interpolation interpolation);
/// Resizes so that the shorter side is `side`, keeping the aspect (torchvision's rule: the longer
/// side is int(side * long / short)). Throws Error(data) when the longer side passes kLargestSide.
Image resize_shorter(const Image& image, int side, Interpolation interpolation);
/// {height, width} of that.
std::pair<int, int> shorter_resized(const Image& image, int side);
/// The middle `height` x `width` (torchvision's rounding), padding with black where the image is
/// smaller.
Image center_crop(const Image& image, int height, int width);
/// Where a centred window of `window` pixels starts on a side of `length`; negative when it is
/// longer.
int centered(int length, int window);
/// The box may leave the image; what lies outside is black.
Image crop(const Image& image, int top, int left, int height, int width);
Image flip(const Image& image);  // left to right
/// `padding` black pixels on every side.
Image pad(const Image& image, int padding);

/// Pillow's ImageEnhance, bit for bit: blends with black, with the mean grey, with the grey image.
/// A factor of 1 changes nothing, 0 gives what is blended with, more than 1 exaggerates.
void adjust_brightness(Image& image, double factor);
void adjust_contrast(Image& image, double factor);
void adjust_saturation(Image& image, double factor);

/// Mean and standard deviation per channel, of values in [0,1].
struct Normalization {
  std::array<float, 3> mean, deviation;
};
/// `imagenet`, `inception` ([-1,1]), `clip` or `unit` ([0,1], unchanged). Throws Error(usage) on
/// another name.
Normalization normalization(std::string_view name);
std::vector<std::string> normalization_names();

/// How a stored image becomes network input.
struct TransformOptions {
  int64_t size = 0;       // side of the network's input; 0: the model's own
  std::string normalize;  // "": the model's own
  std::string interpolation = "bicubic";
  int64_t resize = 0;  // shorter side before the crop; 0: straight to size x size
  bool random_resized_crop = false;
  std::vector<double> scale = {0.05, 1.0};  // area of a random crop
  std::vector<double> ratio = {0.75, 4.0 / 3};
  int64_t random_crop_padding = 0;  // pad and crop back at random (after the resize)
  bool flip = false;                // left-right at random
  double brightness = 0, contrast = 0, saturation = 0;  // colour jitter, factor in [1-x, 1+x]
  double erase = 0;  // probability that a random rectangle is set to the mean

  void bind(Fields& f);
};

/// A pipeline made from options; immutable, safe to share between threads.
///
/// The order: random resized crop, or resize and crop; flip; brightness, contrast, saturation;
/// normalisation; erasing. The first two follow torchvision's algorithms, on Pillow's pixels.
class Transform {
 public:
  /// `size` and `normalize` must be set: whoever knows the model fills in its own.
  explicit Transform(TransformOptions options);

  /// Writes [3,size,size] floats, normalised. `random` drives the augmentations; a pipeline without
  /// any draws nothing. The same as `finish(fixed(image), random, out)`.
  void operator()(Image image, Random random, std::span<float> out) const;
  /// The beginning of the pipeline that draws nothing: resize and crop, or nothing where a random
  /// box reads the image as it was stored.
  Image fixed(Image image) const;
  /// The rest of the pipeline, of what `fixed` gave.
  void finish(const Image& image, Random random, std::span<float> out) const;

  bool random() const;  // true when two calls may differ
  int size() const { return int(options_.size); }
  const TransformOptions& options() const { return options_; }
  /// One line that identifies the pipeline: same text, same pixels.
  std::string text() const;
  /// The same of `fixed`.
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

// Geometry and colour: Pillow-exact resize, crops, flips, normalisation, and named pipelines of them.
#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/image/image.h"

namespace patina {

enum class Interpolation { bilinear, bicubic };

/// Resizes with antialiasing as Pillow's `Image.resize` does: separable filters widened by the scale,
/// 22-bit fixed-point weights, horizontal pass first, 8-bit between the passes.
Image resize(const Image& image, int height, int width, Interpolation interpolation);
/// The part `box = {top, left, height, width}` of `image`, resized (torchvision's resized_crop).
Image resize_box(const Image& image, std::array<int, 4> box, int height, int width,
                 Interpolation interpolation);
/// Resizes so that the shorter side is `side`, keeping the aspect (torchvision's rule: the longer side
/// is int(side * long / short)).
Image resize_shorter(const Image& image, int side, Interpolation interpolation);
/// The middle `height` x `width` (torchvision's rounding), padding with black where the image is smaller.
Image center_crop(const Image& image, int height, int width);
Image crop(const Image& image, int top, int left, int height, int width);
Image flip(const Image& image);  // left to right
/// `padding` black pixels on every side.
Image pad(const Image& image, int padding);

/// Mean and standard deviation per channel, of values in [0,1].
struct Normalization {
  std::array<float, 3> mean, deviation;
};
/// `imagenet`, `inception` ([-1,1]) or `unit` ([0,1], unchanged). Throws Error(usage) on another name.
Normalization normalization(std::string_view name);
std::vector<std::string> normalization_names();

/// How a stored image becomes network input.
struct TransformOptions {
  int64_t size = 0;               // side of the network's input; 0: the model's own
  std::string normalize;          // "": the model's own
  std::string interpolation = "bicubic";
  int64_t resize = 0;             // shorter side before the crop; 0: straight to size x size
  bool random_resized_crop = false;
  std::vector<double> scale = {0.05, 1.0};   // area of a random crop
  std::vector<double> ratio = {0.75, 4.0 / 3};
  int64_t random_crop_padding = 0;  // pad and crop back at random (after the resize)
  bool flip = false;              // left-right at random
  double brightness = 0, contrast = 0, saturation = 0;  // colour jitter, factor in [1-x, 1+x]
  double erase = 0;               // probability that a random rectangle is set to the mean

  void bind(Fields& f);
};

/// A pipeline made from options; immutable, safe to share between threads.
class Transform {
 public:
  explicit Transform(TransformOptions options);

  /// Writes [3,size,size] floats, normalised. `random` drives the augmentations; a pipeline without
  /// any draws nothing.
  void operator()(const Image& image, Random random, std::span<float> out) const;

  bool random() const;                      // true when two calls may differ
  int size() const { return int(options_.size); }
  const TransformOptions& options() const { return options_; }
  /// One line that identifies the pipeline: same text, same pixels.
  std::string text() const;

 private:
  TransformOptions options_;
  Normalization normalization_;
};

}  // namespace patina

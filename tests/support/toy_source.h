// Toy data for learners: images of 16 px whose classes differ in colour and pattern, made in
// memory. Everything depends on (seed, sample) only, so every run of every test sees the same
// pixels.
#pragma once

#include <algorithm>
#include <array>

#include "patina/base/error.h"
#include "patina/base/random.h"
#include "patina/data/source.h"

namespace patina {

/// `per_class` samples of each class; the classes alternate: sample i is of class i % classes. A
/// class is a colour with one of three patterns (plain, stripes, checks). There are 18, of which
/// the source has those from `first` on. A sample shifts the pattern, varies the brightness and
/// adds pixel noise.
class ToySource : public Source {
 public:
  static constexpr int kSide = 16;

  ToySource(int64_t classes, int64_t per_class, uint64_t seed = 0, int64_t first = 0)
      : count_(classes * per_class), first_(first), seeds_(seed) {
    for (int64_t c = 0; c < classes; ++c) classes_.push_back(fmt::format("toy {}", first + c));
  }

  int64_t size() const override { return count_; }
  int64_t label(int64_t i) const override { return i % int64_t(classes_.size()); }
  std::string origin(int64_t i) const override { return fmt::format("toy[{}]", i); }
  const std::vector<std::string>& classes() const override { return classes_; }

  /// From now on, decoding sample i fails like a damaged file.
  void damage(int64_t i) { damaged_.push_back(i); }

  Image image(int64_t i) const override {
    if (std::ranges::count(damaged_, i) > 0) fail(ErrorKind::format, "{}: damaged", origin(i));
    constexpr std::array<std::array<int, 3>, 6> kColours = {{{200, 40, 40},
                                                             {40, 190, 60},
                                                             {50, 60, 210},
                                                             {200, 190, 40},
                                                             {180, 50, 190},
                                                             {40, 180, 190}}};
    const int64_t c = first_ + label(i);
    const auto& colour = kColours[size_t(c) % kColours.size()];
    const int64_t pattern = (c / 2 + c / 6) % 3;
    Random random = seeds_("image", uint64_t(i));
    const int shift = int(random.below(8));
    const double brightness = random.uniform(0.8, 1.1);
    Image image(kSide, kSide);
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const bool stripe = (y + shift) / 4 % 2 == 0, column = (x + shift) / 4 % 2 == 0;
        const bool dark = pattern == 1 ? stripe : pattern == 2 && stripe != column;
        for (int channel = 0; channel < 3; ++channel) {
          const double level =
              colour[size_t(channel)] * brightness * (dark ? 0.4 : 1) + random.uniform(-20, 20);
          image.row(y)[3 * x + channel] = uint8_t(std::clamp(level, 0.0, 255.0));
        }
      }
    }
    return image;
  }

 private:
  int64_t count_, first_;
  Seeds seeds_;
  std::vector<std::string> classes_;
  std::vector<int64_t> damaged_;
};

/// The same classes seen in two ways: every second sample of a class is drawn in swapped colours.
class ToyDomains : public ToySource {
 public:
  using ToySource::ToySource;
  const std::vector<std::string>& domains() const override {
    static const std::vector<std::string> names = {"plain", "swapped"};
    return names;
  }
  int64_t domain(int64_t i) const override { return i / int64_t(classes().size()) % 2; }
  Image image(int64_t i) const override {
    Image image = ToySource::image(i);
    if (domain(i) == 0) return image;
    for (size_t p = 0; p + 2 < image.pixels.size(); p += 3)
      std::swap(image.pixels[p], image.pixels[p + 1]);
    return image;
  }
};

/// Training and test samples of the same classes, from different seeds.
inline DataSplits toy_data(int64_t classes, int64_t train_per_class, int64_t test_per_class) {
  return {"toy", std::make_unique<ToySource>(classes, train_per_class, 1),
          std::make_unique<ToySource>(classes, test_per_class, 2)};
}

}  // namespace patina

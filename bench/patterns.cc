#include "bench/patterns.h"

#include <fmt/format.h>

#include "patina/base/random.h"

namespace patina::bench {

namespace {

constexpr int kCell = 8;  // pixels of one colour

Image noisy_pattern(int64_t label, Random noise) {
  constexpr int kSide = PatternSource::kSide, kCells = kSide / kCell;
  std::array<uint32_t, kCells * kCells * 3> colours;
  Random pattern = Seeds(1)("pattern", uint64_t(label));
  for (auto& colour : colours) colour = pattern.bits() % 128;
  Image image(kSide, kSide);
  for (int y = 0; y < kSide; ++y)
    for (int at = 0; at < kSide * 3; ++at) {
      const int x = at / 3, cell = y / kCell * kCells + x / kCell;
      image.row(y)[at] = uint8_t(colours[size_t(cell) * 3 + size_t(at % 3)] + noise.bits() % 128);
    }
  return image;
}

}  // namespace

PatternSource::PatternSource(int64_t classes, int64_t per_class, uint64_t seed) {
  for (int64_t c = 0; c < classes; ++c) classes_.push_back(fmt::format("pattern {}", c));
  for (int64_t i = 0; i < classes * per_class; ++i)
    images_.push_back(noisy_pattern(label(i), Seeds(seed)("noise", uint64_t(i))));
}

std::string PatternSource::origin(int64_t i) const {
  return fmt::format("pattern[{}]", i);
}

DataSplits pattern_data(int64_t classes, int64_t train_per_class, int64_t test_per_class) {
  return {"patterns", std::make_unique<PatternSource>(classes, train_per_class, 1),
          std::make_unique<PatternSource>(classes, test_per_class, 2)};
}

}  // namespace patina::bench

// Random numbers: counter-based, named, and the same on every machine.
//
// A generator is a pure function of (seed, name, counter). Adding a draw in one place changes no
// other place. The whole state of a generator is one counter, which a checkpoint stores.
// Philox4x32-10: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace patina {

/// One stream of random numbers.
class Random {
 public:
  Random() = default;
  Random(uint64_t key, uint64_t position) : key_(key), position_(position) {}

  uint32_t bits();   // 32 random bits
  double uniform();  // [0, 1), 53 bits
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  double normal();                 // mean 0, variance 1 (Box-Muller)
  uint64_t below(uint64_t bound);  // [0, bound), unbiased; bound > 0
  bool chance(double probability) { return uniform() < probability; }

  /// Fisher-Yates shuffle.
  template <class T>
  void shuffle(std::span<T> items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }
  /// 0..n-1 in random order.
  std::vector<int64_t> permutation(int64_t n);

  void fill_uniform(std::span<float> out, double low, double high);
  void fill_normal(std::span<float> out, double mean = 0, double deviation = 1);

  /// An independent generator for item `index` of this stream; does not advance this one.
  Random at(uint64_t index) const;

  uint64_t position() const { return position_; }
  void seek(uint64_t position) { position_ = position; }

 private:
  uint64_t key_ = 0;
  uint64_t position_ = 0;  // 32-bit words drawn so far
  uint64_t cached_ = ~uint64_t{0};
  std::array<uint32_t, 4> block_{};
};

/// Creates the named generators of one seed.
class Seeds {
 public:
  explicit Seeds(uint64_t seed = 0) : seed_(seed) {}
  uint64_t seed() const { return seed_; }
  Random operator()(std::string_view name, uint64_t index = 0) const;

 private:
  uint64_t seed_;
};

/// `numpy.random.RandomState(seed).permutation(n)`, bit for bit: it defines the class orders used
/// in the literature (seed 1993). `seed` in [0, 2^32).
std::vector<int64_t> numpy_permutation(uint32_t seed, int64_t n);

}  // namespace patina

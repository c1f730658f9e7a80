#include "patina/base/random.h"

#include <cmath>
#include <numbers>
#include <numeric>

#include "patina/base/error.h"

namespace patina {

namespace {

// Philox4x32 with 10 rounds. Counter words 0 and 1 are the position; words 2 and 3 are zero.
std::array<uint32_t, 4> philox(uint64_t counter, uint64_t key) {
  std::array<uint32_t, 4> c{uint32_t(counter), uint32_t(counter >> 32), 0, 0};
  uint32_t k0 = uint32_t(key), k1 = uint32_t(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53u} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57u} * c[2];
    c = {uint32_t(p1 >> 32) ^ c[1] ^ k0, uint32_t(p1), uint32_t(p0 >> 32) ^ c[3] ^ k1,
         uint32_t(p0)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return c;
}

uint64_t derive(uint64_t key, uint64_t index) {
  const auto words = philox(index, key ^ 0x7061746e61u);
  return uint64_t{words[0]} | uint64_t{words[1]} << 32;
}

}  // namespace

uint32_t Random::bits() {
  const uint64_t block = position_ / 4;
  if (block != cached_) {
    block_ = philox(block, key_);
    cached_ = block;
  }
  return block_[position_++ % 4];
}

double Random::uniform() {
  const uint64_t high = bits() >> 5, low = bits() >> 6;
  return double(high << 26 | low) * 0x1.0p-53;
}

double Random::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

uint64_t Random::below(uint64_t bound) {
  PATINA_REQUIRE(bound > 0, "no number is below 0");
  // Rejects the highest values, which would favour small results.
  const uint64_t limit = ~uint64_t{0} - (~uint64_t{0} % bound + 1) % bound;
  while (true) {
    const uint64_t high = bits(), low = bits();
    const uint64_t value = high << 32 | low;
    if (value <= limit) return value % bound;
  }
}

std::vector<int64_t> Random::permutation(int64_t n) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  shuffle(std::span<int64_t>(order));
  return order;
}

void Random::fill_uniform(std::span<float> out, double low, double high) {
  for (float& x : out) x = float(uniform(low, high));
}

void Random::fill_normal(std::span<float> out, double mean, double deviation) {
  for (float& x : out) x = float(mean + deviation * normal());
}

Random Random::at(uint64_t index) const {
  return {derive(key_, index), 0};
}

Random Seeds::operator()(std::string_view name, uint64_t index) const {
  uint64_t key = 0xcbf29ce484222325u;  // FNV-1a of the name
  for (const unsigned char c : name) key = (key ^ c) * 0x100000001b3u;
  return {derive(derive(seed_, key), index), 0};
}

// RandomState seeds MT19937 with Knuth's recurrence and shuffles from the back. It draws each index
// as 32 bits masked to the next power of two, and rejects values that are too large.
std::vector<int64_t> numpy_permutation(uint32_t seed, int64_t n) {
  PATINA_REQUIRE(n >= 0 && n <= int64_t{0xffffffff}, "permutation of {}", n);
  std::array<uint32_t, 624> state;
  state[0] = seed;
  for (uint32_t i = 1; i < 624; ++i)
    state[i] = 1812433253u * (state[i - 1] ^ state[i - 1] >> 30) + i;
  size_t at = 624;
  const auto next = [&] {
    if (at == 624) {
      for (size_t i = 0; i < 624; ++i) {
        const uint32_t y = (state[i] & 0x80000000u) | (state[(i + 1) % 624] & 0x7fffffffu);
        state[i] = state[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
      }
      at = 0;
    }
    uint32_t y = state[at++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
  };

  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  for (int64_t i = n - 1; i > 0; --i) {
    uint32_t mask = uint32_t(i);
    for (int shift = 1; shift <= 16; shift *= 2) mask |= mask >> shift;
    uint32_t j;
    while ((j = next() & mask) > uint32_t(i)) {
    }
    std::swap(order[i], order[j]);
  }
  return order;
}

}  // namespace patina

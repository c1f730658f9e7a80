// bf16: the upper 16 bits of a float. Written so that compilers vectorise loops over it.
#pragma once

#include <bit>
#include <cstdint>

namespace patina::kernels {

using bf16 = uint16_t;

/// Rounds to nearest, ties to even; NaN stays NaN.
[[gnu::always_inline]] inline bf16 to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return bf16((bits & 0x7fffffff) > 0x7f800000 ? bits >> 16 | 0x40 : rounded);
}

[[gnu::always_inline]] inline float to_float(bf16 x) {
  return std::bit_cast<float>(uint32_t(x) << 16);
}
[[gnu::always_inline]] inline float to_float(float x) {
  return x;
}

template <class To>
[[gnu::always_inline]] inline To rounded(float x) {
  if constexpr (sizeof(To) == sizeof(bf16))
    return to_bf16(x);
  else
    return x;
}

}  // namespace patina::kernels

// Vectors of sixteen numbers in one AVX-512 register. Included by vectors.h.
#pragma once

namespace {

using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Words = uint16_t __attribute__((vector_size(32)));

constexpr Ints kLane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

[[gnu::always_inline]] inline Floats same(float x) {
  return x - Floats{};
}

[[gnu::always_inline]] inline Floats floats_of_bits(const Ints& x) {
  return (Floats)x;
}

// Masked intrinsics, because g++ 12 warns about its own headers for the unmasked ones.
constexpr __mmask16 kAll = 0xffff;

[[gnu::always_inline]] inline Ints wide(const Words& x) {
  return (Ints)_mm512_maskz_cvtepu16_epi32(kAll, (__m256i)x);
}

[[gnu::always_inline]] inline Words narrow(const Ints& x) {
  return (Words)_mm512_maskz_cvtepi32_epi16(kAll, (__m512i)x);
}

[[gnu::always_inline]] inline Floats chosen_if(const Ints& mask, const Floats& a, const Floats& b) {
  return mask ? a : b;
}

[[gnu::always_inline]] inline Floats larger(const Floats& a, const Floats& b) {
  return (Floats)_mm512_maskz_max_ps(kAll, (__m512)b, (__m512)a);
}
[[gnu::always_inline]] inline Floats smaller(const Floats& a, const Floats& b) {
  return (Floats)_mm512_maskz_min_ps(kAll, (__m512)b, (__m512)a);
}

// Rounds to nearest, ties to even.
[[gnu::always_inline]] inline Words rounded_words(const Floats& x) {
#ifdef PATINA_AVX512_BF16
  return (Words)_mm512_cvtneps_pbh((__m512)x);
#else
  const Ints bits = (Ints)x;
  return narrow((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
#endif
}

// x - floor(x).
[[gnu::always_inline]] inline Floats behind_point(const Floats& x) {
  return (Floats)_mm512_maskz_reduce_ps(kAll, (__m512)x, _MM_FROUND_TO_NEG_INF);
}

// x 2^floor(n).
[[gnu::always_inline]] inline Floats raised(const Floats& x, const Floats& n) {
  return (Floats)_mm512_maskz_scalef_ps(kAll, (__m512)x, (__m512)n);
}

// x 2^n for an integer n; the result must be a finite, normal number.
[[gnu::always_inline]] inline Floats twice(const Floats& x, const Floats& n) {
  return raised(x, n);
}

// Reduces a vector by `join`, half by half.
template <class Join>
[[gnu::always_inline]] inline float folded(const Floats& lanes, Join&& join) {
  Floats x = lanes;
  x = join(x, __builtin_shuffle(x, kLane ^ 8));
  x = join(x, __builtin_shuffle(x, kLane ^ 4));
  x = join(x, __builtin_shuffle(x, kLane ^ 2));
  x = join(x, __builtin_shuffle(x, kLane ^ 1));
  return x[0];
}

// Transposition step: exchanges lanes of two rows whose indices differ in `bit`.
template <int bit>
[[gnu::always_inline]] inline void exchange(Ints& a, Ints& b) {
  constexpr Ints kUpper = (kLane & bit) != 0;
  constexpr Ints kFirst = kUpper ? kLane - bit + 16 : kLane;
  constexpr Ints kSecond = kUpper ? kLane + 16 : kLane + bit;
  const Ints first = a, second = b;
  a = __builtin_shuffle(first, second, kFirst);
  b = __builtin_shuffle(first, second, kSecond);
}

}  // namespace

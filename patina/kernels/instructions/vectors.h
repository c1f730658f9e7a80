// Sixteen numbers at a time, written once for all instruction sets. Included by each set's source
// between its target pragmas and inside namespace patina::kernels, so that the same lines become
// that set's instructions.
#pragma once

// How vectors pass between functions does not matter where all are inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace {

using Floats = float __attribute__((vector_size(64)));
using Ints = int32_t __attribute__((vector_size(64)));
using Words = uint16_t __attribute__((vector_size(32)));

constexpr int64_t kLanes = 16;
constexpr Ints kLane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

template <class Vector, class T>
[[gnu::always_inline]] inline Vector load(const T* from) {
  Vector x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

template <class Vector, class T>
[[gnu::always_inline]] inline void store(const Vector& x, T* to) {
  std::memcpy(to, &x, sizeof x);
}

[[gnu::always_inline]] inline Floats same(float x) {
  return x - Floats{};
}

// Lanes of the sixteen `a` and the sixteen `b` (numbered 16 to 31) in the order of `lanes`.
template <class Vector>
[[gnu::always_inline]] inline Vector chosen(const Vector& a, const Vector& b, const Ints& lanes) {
  return __builtin_shuffle(a, b, lanes);
}

[[gnu::always_inline]] inline float total(const Floats& lanes) {
  Floats x = lanes;
  x += __builtin_shuffle(x, kLane ^ 8);
  x += __builtin_shuffle(x, kLane ^ 4);
  x += __builtin_shuffle(x, kLane ^ 2);
  x += __builtin_shuffle(x, kLane ^ 1);
  return x[0];
}

// What instructions of their own do where a set has them. Defined by a macro of ours, as the
// compiler's come too late for pragmas.
#ifdef PATINA_AVX512

// In the forms with a mask: the others make g++ 12 warn of its own headers.
constexpr __mmask16 kAll = 0xffff;

[[gnu::always_inline]] inline Ints wide(const Words& x) {
  return (Ints)_mm512_maskz_cvtepu16_epi32(kAll, (__m256i)x);
}

[[gnu::always_inline]] inline Words narrow(const Ints& x) {
  return (Words)_mm512_maskz_cvtepi32_epi16(kAll, (__m512i)x);
}

[[gnu::always_inline]] inline Floats larger(const Floats& a, const Floats& b) {
  return (Floats)_mm512_maskz_max_ps(kAll, (__m512)b, (__m512)a);
}
[[gnu::always_inline]] inline Floats smaller(const Floats& a, const Floats& b) {
  return (Floats)_mm512_maskz_min_ps(kAll, (__m512)b, (__m512)a);
}

// To the nearest, ties to even.
[[gnu::always_inline]] inline Words rounded_words(const Floats& x) {
  return (Words)_mm512_cvtneps_pbh((__m512)x);
}

// x less the next lower whole number.
[[gnu::always_inline]] inline Floats behind_point(const Floats& x) {
  return (Floats)_mm512_reduce_ps((__m512)x, _MM_FROUND_TO_NEG_INF);
}

// x 2^(the next whole number below n).
[[gnu::always_inline]] inline Floats raised(const Floats& x, const Floats& n) {
  return (Floats)_mm512_maskz_scalef_ps(kAll, (__m512)x, (__m512)n);
}

#else

[[gnu::always_inline]] inline Ints wide(const Words& x) {
  return __builtin_convertvector(x, Ints);
}

[[gnu::always_inline]] inline Words narrow(const Ints& x) {
  return __builtin_convertvector(x, Words);
}

[[gnu::always_inline]] inline Floats larger(const Floats& a, const Floats& b) {
  return a < b ? b : a;
}
[[gnu::always_inline]] inline Floats smaller(const Floats& a, const Floats& b) {
  return b < a ? b : a;
}

[[gnu::always_inline]] inline Words rounded_words(const Floats& x) {
  const Ints bits = (Ints)x;
  return narrow((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

[[gnu::always_inline]] inline Ints whole_below(const Floats& x) {
  const Ints cut = __builtin_convertvector(larger(x, same(-200.0f)), Ints);
  return cut + (__builtin_convertvector(cut, Floats) > x);  // true is -1; 2^-200 is nothing
}

[[gnu::always_inline]] inline Floats behind_point(const Floats& x) {
  return x - __builtin_convertvector(whole_below(x), Floats);
}

[[gnu::always_inline]] inline Floats raised(const Floats& x, const Floats& n) {
  return n < -126.0f ? Floats{} : (Floats)((Ints)x + (whole_below(n) << 23));
}

#endif

[[gnu::always_inline]] inline Floats widened(const Words& x) {
  return (Floats)(wide(x) << 16);
}

// Sixteen floats, or as many bf16 as floats; and back.
[[gnu::always_inline]] inline Floats floats_at(const float* from) {
  return load<Floats>(from);
}
[[gnu::always_inline]] inline Floats floats_at(const bf16* from) {
  return widened(load<Words>(from));
}
[[gnu::always_inline]] inline void put(const Floats& x, float* to) {
  store(x, to);
}
[[gnu::always_inline]] inline void put(const Floats& x, bf16* to) {
  store(rounded_words(x), to);
}

// Pairs of neighbours: one from each.
[[gnu::always_inline]] inline Ints woven(const Words& even, const Words& odd) {
  return wide(even) | wide(odd) << 16;
}

[[gnu::always_inline]] inline float largest_of(const Floats& lanes) {
  Floats x = lanes;
  x = larger(x, __builtin_shuffle(x, kLane ^ 8));
  x = larger(x, __builtin_shuffle(x, kLane ^ 4));
  x = larger(x, __builtin_shuffle(x, kLane ^ 2));
  x = larger(x, __builtin_shuffle(x, kLane ^ 1));
  return x[0];
}

// 2^x for x of 0 or little more, as T needs it: relative error below 8e-6, far less than the
// rounding to bf16 that follows, and 7e-8. A polynomial of what stands behind the point, through
// Chebyshev's points.
template <class T>
[[gnu::always_inline]] inline Floats exp2_of(const Floats& x) {
  const Floats r = behind_point(x);
  Floats p;
  if constexpr (std::is_same_v<T, bf16>) {
    p = 1.276311389e-02f * r + 5.344102927e-02f;
    p = p * r + 2.406470481e-01f;
    p = p * r + 6.931339926e-01f;
  } else {
    p = 2.186578495e-04f * r + 1.239133184e-03f;
    p = p * r + 9.684186429e-03f;
    p = p * r + 5.548062921e-02f;
    p = p * r + 2.402304560e-01f;
    p = p * r + 6.931469440e-01f;
  }
  p = p * r + 1.0f;
  return raised(p, x);
}

using kernels::rough_gelu;

// The same for sixteen numbers.
[[gnu::always_inline]] inline Floats rough_gelu(const Floats& x) {
  const Floats u = smaller(larger(x, same(-kGeluEnd)), same(kGeluEnd)), square = u * u;
  Floats p = same(kGelu[0]);
#pragma GCC unroll 16
  for (size_t i = 1; i < std::size(kGelu); ++i) p = p * square + kGelu[i];
  return x * (u * p + 0.5f);
}

// Exchanges rows and columns of 16 x 16 numbers: each step those that differ in one bit.
template <int bit>
[[gnu::always_inline]] inline void exchange(Ints (&rows)[16]) {
  constexpr Ints kUpper = (kLane & bit) != 0;
  constexpr Ints kFirst = kUpper ? kLane - bit + 16 : kLane;
  constexpr Ints kSecond = kUpper ? kLane + 16 : kLane + bit;
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) {
    if (i & bit) continue;
    const Ints a = rows[i], b = rows[i + bit];
    rows[i] = chosen(a, b, kFirst);
    rows[i + bit] = chosen(a, b, kSecond);
  }
}

[[gnu::always_inline]] inline void transpose(Ints (&rows)[16]) {
  exchange<8>(rows);
  exchange<4>(rows);
  exchange<2>(rows);
  exchange<1>(rows);
}

}  // namespace

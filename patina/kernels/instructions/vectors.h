// Vectors of sixteen numbers, written once for all instruction sets. Each set's source includes
// this between its target pragmas, inside namespace patina::kernels, so that the same lines compile
// to that set's instructions.
#pragma once

// The warning concerns how vectors are passed to functions; all of these are inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace {

constexpr int64_t kLanes = 16;

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

}  // namespace

// Selected by our own macros: the compiler's are defined before the pragmas apply.
#ifdef PATINA_AVX512
#include "patina/kernels/instructions/whole_registers.h"
#else
#include "patina/kernels/instructions/halves.h"
#endif

namespace {

[[gnu::always_inline]] inline float total(const Floats& lanes) {
  return folded(lanes, [](const auto& a, const auto& b) { return a + b; });
}

[[gnu::always_inline]] inline float largest_of(const Floats& lanes) {
  return folded(lanes, [](const auto& a, const auto& b) { return a < b ? b : a; });
}

[[gnu::always_inline]] inline Floats widened(const Words& x) {
  return floats_of_bits(wide(x) << 16);
}

// Loads sixteen floats, or as many bf16 as floats; and stores them.
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

// Loads or stores the first `count` only, zeros behind: so the result for a number does not depend
// on its position in the row.
template <class T>
[[gnu::always_inline]] inline Floats first_at(const T* from, int64_t count) {
  alignas(64) T some[kLanes] = {};
  std::copy_n(from, count, some);
  return floats_at(some);
}
template <class T>
[[gnu::always_inline]] inline void put_first(const Floats& x, int64_t count, T* to) {
  alignas(64) T some[kLanes];
  put(x, some);
  std::copy_n(some, count, to);
}

// Interleaves: pairs of one bf16 from each.
[[gnu::always_inline]] inline Ints interleaved(const Words& even, const Words& odd) {
  return wide(even) | wide(odd) << 16;
}

// 2^x for x <= 0 or slightly above, with the precision that T needs: relative error below 8e-6 for
// bf16 (far below its rounding), 7e-8 for float. A polynomial in the fractional part, interpolated
// at Chebyshev nodes.
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

// Transposes 16 x 16 numbers: each step exchanges lanes and rows whose indices differ in one bit.
template <int bit>
[[gnu::always_inline]] inline void exchange_all(Ints (&rows)[16]) {
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i)
    if (!(i & bit)) exchange<bit>(rows[i], rows[i + bit]);
}

[[gnu::always_inline]] inline void transpose(Ints (&rows)[16]) {
  exchange_all<8>(rows);
  exchange_all<4>(rows);
  exchange_all<2>(rows);
  exchange_all<1>(rows);
}

}  // namespace

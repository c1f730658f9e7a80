// Vectors of sixteen numbers for registers that hold eight or fewer: two halves with the same
// operations. Included by vectors.h.
#pragma once

namespace {

template <class Number>
struct HalfOf {
  typedef Number Type __attribute__((vector_size(8 * sizeof(Number))));  // `using` drops the
                                                                         // attribute
};

template <class Number>
struct Halves {
  using Half = typename HalfOf<Number>::Type;
  using Mask = Halves<int32_t>;
  Half low, high;

  Halves() = default;
  constexpr Halves(const Half& low, const Half& high) : low(low), high(high) {}
  [[gnu::always_inline]] Halves(Number x) : low(x - Half{}), high(low) {}

  [[gnu::always_inline]] friend Halves operator+(const Halves& a, const Halves& b) {
    return {a.low + b.low, a.high + b.high};
  }
  [[gnu::always_inline]] friend Halves operator-(const Halves& a, const Halves& b) {
    return {a.low - b.low, a.high - b.high};
  }
  [[gnu::always_inline]] friend Halves operator*(const Halves& a, const Halves& b) {
    return {a.low * b.low, a.high * b.high};
  }
  [[gnu::always_inline]] friend Halves operator/(const Halves& a, const Halves& b) {
    return {a.low / b.low, a.high / b.high};
  }
  [[gnu::always_inline]] friend Halves operator&(const Halves& a, const Halves& b) {
    return {a.low & b.low, a.high & b.high};
  }
  [[gnu::always_inline]] friend Halves operator|(const Halves& a, const Halves& b) {
    return {a.low | b.low, a.high | b.high};
  }
  [[gnu::always_inline]] friend Halves operator<<(const Halves& a, const Halves& b) {
    return {a.low << b.low, a.high << b.high};
  }
  [[gnu::always_inline]] friend Halves operator>>(const Halves& a, const Halves& b) {
    return {a.low >> b.low, a.high >> b.high};
  }
  [[gnu::always_inline]] friend Mask operator<(const Halves& a, const Halves& b) {
    return {a.low < b.low, a.high < b.high};
  }
  [[gnu::always_inline]] friend Mask operator>(const Halves& a, const Halves& b) {
    return {a.low > b.low, a.high > b.high};
  }
  [[gnu::always_inline]] friend Halves operator-(const Halves& a) { return {-a.low, -a.high}; }
  [[gnu::always_inline]] Halves& operator+=(const Halves& b) { return *this = *this + b; }
};

// Each half is loaded and stored separately: the compiler emits a single instruction only for a
// value that fits one register.
template <class Vector, class T>
requires requires {
  typename Vector::Mask;
}
[[gnu::always_inline]] inline Vector load(const T* from) {
  using Half = typename Vector::Half;
  return {load<Half>(from), load<Half>(from + sizeof(Half) / sizeof(T))};
}

template <class Number, class T>
[[gnu::always_inline]] inline void store(const Halves<Number>& x, T* to) {
  store(x.low, to);
  store(x.high, to + sizeof(x.low) / sizeof(T));
}

using Floats = Halves<float>;
using Ints = Halves<int32_t>;
using Words = Halves<uint16_t>;

constexpr Ints kLane = {Ints::Half{0, 1, 2, 3, 4, 5, 6, 7},
                        Ints::Half{8, 9, 10, 11, 12, 13, 14, 15}};

[[gnu::always_inline]] inline Floats same(float x) {
  return x;
}

[[gnu::always_inline]] inline Floats floats_of_bits(const Ints& x) {
  return {(Floats::Half)x.low, (Floats::Half)x.high};
}
[[gnu::always_inline]] inline Ints bits_of(const Floats& x) {
  return {(Ints::Half)x.low, (Ints::Half)x.high};
}

[[gnu::always_inline]] inline Ints whole(const Floats& x) {
  return {__builtin_convertvector(x.low, Ints::Half), __builtin_convertvector(x.high, Ints::Half)};
}
[[gnu::always_inline]] inline Floats floats_of(const Ints& x) {
  return {__builtin_convertvector(x.low, Floats::Half),
          __builtin_convertvector(x.high, Floats::Half)};
}
[[gnu::always_inline]] inline Ints wide(const Words& x) {
  return {__builtin_convertvector(x.low, Ints::Half), __builtin_convertvector(x.high, Ints::Half)};
}
[[gnu::always_inline]] inline Words narrow(const Ints& x) {
  return {__builtin_convertvector(x.low, Words::Half),
          __builtin_convertvector(x.high, Words::Half)};
}

[[gnu::always_inline]] inline Floats chosen_if(const Ints& mask, const Floats& a, const Floats& b) {
  return {mask.low ? a.low : b.low, mask.high ? a.high : b.high};
}

[[gnu::always_inline]] inline Floats larger(const Floats& a, const Floats& b) {
  return chosen_if(a < b, b, a);
}
[[gnu::always_inline]] inline Floats smaller(const Floats& a, const Floats& b) {
  return chosen_if(b < a, b, a);
}

// Rounds to nearest, ties to even.
[[gnu::always_inline]] inline Words rounded_words(const Floats& x) {
  const Ints bits = bits_of(x);
  return narrow((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

[[gnu::always_inline]] inline Ints whole_below(const Floats& x) {
  const Ints cut = whole(larger(x, same(-200.0f)));
  return cut + (floats_of(cut) > x);  // a comparison that holds is -1; 2^-200 underflows to 0
}

[[gnu::always_inline]] inline Floats behind_point(const Floats& x) {
  return x - floats_of(whole_below(x));
}

[[gnu::always_inline]] inline Floats raised(const Floats& x, const Floats& n) {
  return chosen_if(n < -126.0f, Floats{}, floats_of_bits(bits_of(x) + (whole_below(n) << 23)));
}

// x 2^n for an integer n; the result must be a finite, normal number.
[[gnu::always_inline]] inline Floats twice(const Floats& x, const Floats& n) {
  return x * floats_of_bits((whole(n) + 127) << 23);
}

// Reduces a vector by `join`, half by half.
template <class Join>
[[gnu::always_inline]] inline float folded(const Floats& lanes, Join&& join) {
  constexpr Ints::Half kEight = {0, 1, 2, 3, 4, 5, 6, 7};
  Floats::Half x = join(lanes.low, lanes.high);
  x = join(x, __builtin_shuffle(x, kEight ^ 4));
  x = join(x, __builtin_shuffle(x, kEight ^ 2));
  x = join(x, __builtin_shuffle(x, kEight ^ 1));
  return x[0];
}

template <int bit>
[[gnu::always_inline]] inline void exchange(Ints::Half& a, Ints::Half& b) {
  constexpr Ints::Half kEight = {0, 1, 2, 3, 4, 5, 6, 7};
  constexpr Ints::Half kUpper = (kEight & bit) != 0;
  constexpr Ints::Half kFirst = kUpper ? kEight - bit + 8 : kEight;
  constexpr Ints::Half kSecond = kUpper ? kEight + 8 : kEight + bit;
  const Ints::Half first = a, second = b;
  a = __builtin_shuffle(first, second, kFirst);
  b = __builtin_shuffle(first, second, kSecond);
}

// Transposition step: exchanges lanes of two rows whose indices differ in `bit`.
template <int bit>
[[gnu::always_inline]] inline void exchange(Ints& a, Ints& b) {
  if constexpr (bit == 8) {
    std::swap(a.high, b.low);
  } else {
    exchange<bit>(a.low, b.low);
    exchange<bit>(a.high, b.high);
  }
}

}  // namespace

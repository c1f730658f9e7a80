// Activation functions and their derivatives, sixteen numbers at a time. Each instruction set's
// source includes this after vectors.h, in the same place.
#pragma once

namespace {

[[gnu::always_inline]] inline Floats clamped(const Floats& x, float lowest, float highest) {
  return smaller(larger(x, same(lowest)), same(highest));
}

// Evaluates a polynomial by Horner's scheme, highest power first.
template <size_t count>
[[gnu::always_inline]] inline Floats polynomial(const float (&terms)[count], const Floats& x) {
  Floats p = same(terms[0]);
#pragma GCC unroll 16
  for (size_t i = 1; i < count; ++i) p = p * x + terms[i];
  return p;
}

// exp(x) with relative error below 3e-7; x is clamped to [-87, 88].
[[gnu::always_inline]] inline Floats fast_exp(const Floats& given) {
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  constexpr float kTerms[] = {1.98412698e-4f, 1.38888889e-3f, 8.33333333e-3f, 4.16666667e-2f,
                              1.66666667e-1f, 0.5f,           1.0f,           1.0f};
  const Floats x = clamped(given, -87.0f, 88.0f);
  const Floats n = (x * 1.44269504f + kRound) - kRound;
  const Floats r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // x - n ln 2, in two steps
  return twice(polynomial(kTerms, r), n);
}

[[gnu::always_inline]] inline Floats sigmoid(const Floats& x) {
  return 1.0f / (1.0f + fast_exp(-x));
}

[[gnu::always_inline]] inline Floats fast_tanh(const Floats& x) {
  return 2.0f * sigmoid(2.0f * x) - 1.0f;
}

// Φ(x), the normal distribution function, with absolute error below 1e-7 (Abramowitz and Stegun,
// 7.1.26). `bell` is exp(-x²/2).
[[gnu::always_inline]] inline Floats normal_cdf(const Floats& x, const Floats& bell) {
  constexpr float kTerms[] = {1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f,
                              0.254829592f};
  const Floats t = 1.0f / (1.0f + 0.3275911f * 0.707106781f * larger(x, -x));
  const Floats tail = 0.5f * polynomial(kTerms, t) * t * bell;
  return chosen_if(x > 0.0f, 1.0f - tail, tail);
}

[[gnu::always_inline]] inline Floats bell_of(const Floats& x) {
  return fast_exp(-0.5f * x * x);
}

// Φ(u) - 1/2 = u P(u²) for |u| <= kGeluEnd, 1/2 beyond. P is the minimax fit of u Φ(u).
constexpr float kGeluEnd = 4.25f;
constexpr float kGelu[] = {4.552638227e-11f,  -4.509976523e-09f, 1.981035735e-07f,
                           -5.132146224e-06f, 8.826252815e-05f,  -1.077278291e-03f,
                           9.711201640e-03f,  -6.617516021e-02f, 3.988088632e-01f};

// x Φ(x) for results that are rounded to bf16: absolute error below 6e-5.
[[gnu::always_inline]] inline Floats rough_gelu(const Floats& x) {
  const Floats u = clamped(x, -kGeluEnd, kGeluEnd);
  return x * (u * polynomial(kGelu, u * u) + 0.5f);
}

// d rough_gelu / dx - 1/2 = u Q(u²), also a minimax fit.
constexpr float kGeluDerivative[] = {
    -3.426814263e-11f, 3.552499167e-09f,  -1.634923963e-07f, 4.432688309e-06f,  -7.936303006e-05f,
    9.965495015e-04f,  -9.040463633e-03f, 5.909255487e-02f,  -2.653926150e-01f, 7.977564368e-01f};

// The derivative of x Φ(x) for results that are rounded to bf16: absolute error below 3e-4.
[[gnu::always_inline]] inline Floats rough_gelu_derivative(const Floats& x) {
  const Floats u = clamped(x, -kGeluEnd, kGeluEnd);
  return u * polynomial(kGeluDerivative, u * u) + 0.5f;
}

[[gnu::always_inline]] inline Floats gelu_tanh_inner(const Floats& x) {
  return 0.797884561f * (x + 0.044715f * x * x * x);
}

// The activation with the precision that T needs: bf16 results use the rough GELU and its
// derivative.
template <Activation activation, class T>
[[gnu::always_inline]] inline Floats activated(const Floats& x) {
  if constexpr (activation == Activation::gelu)
    return sizeof(T) == sizeof(bf16) ? rough_gelu(x) : x * normal_cdf(x, bell_of(x));
  if constexpr (activation == Activation::gelu_tanh) return x * sigmoid(2.0f * gelu_tanh_inner(x));
  if constexpr (activation == Activation::quick_gelu) return x * sigmoid(1.702f * x);
  if constexpr (activation == Activation::relu) return chosen_if(x > 0.0f, x, Floats{});
  if constexpr (activation == Activation::silu) return x * sigmoid(x);
  if constexpr (activation == Activation::tanh) return fast_tanh(x);
  return x;
}

// The derivative of x σ(inner).
[[gnu::always_inline]] inline Floats swish_derivative(const Floats& x, const Floats& inner,
                                                      const Floats& inner_derivative) {
  const Floats s = sigmoid(inner);
  return s + x * s * (1.0f - s) * inner_derivative;
}

// d activated / dx.
template <Activation activation, class T>
[[gnu::always_inline]] inline Floats derivative(const Floats& x) {
  if constexpr (activation == Activation::gelu) {
    if constexpr (sizeof(T) == sizeof(bf16)) return rough_gelu_derivative(x);
    const Floats bell = bell_of(x);
    return normal_cdf(x, bell) + x * 0.398942280f * bell;
  }
  if constexpr (activation == Activation::gelu_tanh)
    return swish_derivative(x, 2.0f * gelu_tanh_inner(x),
                            1.595769122f * (1.0f + 0.134145f * x * x));
  if constexpr (activation == Activation::quick_gelu)
    return swish_derivative(x, 1.702f * x, same(1.702f));
  if constexpr (activation == Activation::relu) return chosen_if(x > 0.0f, same(1.0f), Floats{});
  if constexpr (activation == Activation::silu) return swish_derivative(x, x, same(1.0f));
  if constexpr (activation == Activation::tanh) {
    const Floats t = fast_tanh(x);
    return 1.0f - t * t;
  }
  return same(1.0f);
}

}  // namespace

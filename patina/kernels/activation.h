// Activation functions and their slopes, without branches or calls, so that loops over them become
// vector instructions: always inline, as a compiler that has seen much of a file gives up
// otherwise.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

namespace patina {

enum class Activation {
  none,
  gelu,        // exact: x Φ(x)
  gelu_tanh,   // its tanh approximation: GPT-2's "gelu_new", T5 1.1's
  quick_gelu,  // x σ(1.702 x): OpenAI's CLIP
  relu,
  silu,
  tanh,
};

namespace kernels {

[[gnu::always_inline]] inline float clamped(float x, float lowest, float highest) {
  x = x < lowest ? lowest : x;
  return x > highest ? highest : x;
}

/// exp(x), relative error below 3e-7; x is held in [-87, 88].
[[gnu::always_inline]] inline float fast_exp(float x) {
  x = clamped(x, -87.0f, 88.0f);
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves no place for a fraction
  const float n = (x * 1.44269504f + kRound) - kRound;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // x - n ln 2, in two steps
  float p = 1.98412698e-4f;
  p = p * r + 1.38888889e-3f;
  p = p * r + 8.33333333e-3f;
  p = p * r + 4.16666667e-2f;
  p = p * r + 1.66666667e-1f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * std::bit_cast<float>((int32_t(n) + 127) << 23);
}

[[gnu::always_inline]] inline float sigmoid(float x) {
  return 1.0f / (1.0f + fast_exp(-x));
}

[[gnu::always_inline]] inline float fast_tanh(float x) {
  return 2.0f * sigmoid(2.0f * x) - 1.0f;
}

/// Φ(x), the normal distribution's: absolute error below 1e-7 (Abramowitz and Stegun, 7.1.26).
[[gnu::always_inline]] inline float normal_cdf(float x) {
  const float z = std::fabs(x) * 0.707106781f;
  const float t = 1.0f / (1.0f + 0.3275911f * z);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float tail = 0.5f * p * t * fast_exp(-z * z);
  return x > 0 ? 1.0f - tail : tail;
}

/// Φ(u) - 1/2 = u P(u²) for |u| <= kGeluEnd, where it ends in 1/2: from the highest power down,
/// fitted to the smallest largest error of u Φ(u).
inline constexpr float kGeluEnd = 4.25f;
inline constexpr float kGelu[] = {4.552638227e-11f,  -4.509976523e-09f, 1.981035735e-07f,
                                  -5.132146224e-06f, 8.826252815e-05f,  -1.077278291e-03f,
                                  9.711201640e-03f,  -6.617516021e-02f, 3.988088632e-01f};

/// x Φ(x) for results that are rounded to bf16: absolute error below 6e-5.
[[gnu::always_inline]] inline float rough_gelu(float x) {
  const float u = clamped(x, -kGeluEnd, kGeluEnd);
  float p = 0;
  for (const float c : kGelu) p = p * (u * u) + c;
  return x * (0.5f + u * p);
}

/// d rough_gelu / dx - 1/2 = u Q(u²), likewise.
inline constexpr float kGeluSlope[] = {
    -3.426814263e-11f, 3.552499167e-09f,  -1.634923963e-07f, 4.432688309e-06f,  -7.936303006e-05f,
    9.965495015e-04f,  -9.040463633e-03f, 5.909255487e-02f,  -2.653926150e-01f, 7.977564368e-01f};

/// The slope of x Φ(x) for results that are rounded to bf16: absolute error below 3e-4.
[[gnu::always_inline]] inline float rough_gelu_slope(float x) {
  const float u = clamped(x, -kGeluEnd, kGeluEnd);
  float p = 0;
  for (const float c : kGeluSlope) p = p * (u * u) + c;
  return 0.5f + u * p;
}

[[gnu::always_inline]] inline float gelu_tanh_inner(float x) {
  return 0.797884561f * (x + 0.044715f * x * x * x);
}

template <Activation activation>
[[gnu::always_inline]] inline float activated(float x) {
  if constexpr (activation == Activation::gelu) return x * normal_cdf(x);
  if constexpr (activation == Activation::gelu_tanh) return x * sigmoid(2.0f * gelu_tanh_inner(x));
  if constexpr (activation == Activation::quick_gelu) return x * sigmoid(1.702f * x);
  if constexpr (activation == Activation::relu) return x > 0 ? x : 0.0f;
  if constexpr (activation == Activation::silu) return x * sigmoid(x);
  if constexpr (activation == Activation::tanh) return fast_tanh(x);
  return x;
}

/// d activated / dx.
template <Activation activation>
[[gnu::always_inline]] inline float slope(float x) {
  const auto swish = [x](float inner, float inner_slope) {  // of x σ(inner(x))
    const float s = sigmoid(inner);
    return s + x * s * (1.0f - s) * inner_slope;
  };
  if constexpr (activation == Activation::gelu)
    return normal_cdf(x) + x * 0.398942280f * fast_exp(-0.5f * x * x);
  if constexpr (activation == Activation::gelu_tanh)
    return swish(2.0f * gelu_tanh_inner(x), 1.595769122f * (1.0f + 0.134145f * x * x));
  if constexpr (activation == Activation::quick_gelu) return swish(1.702f * x, 1.702f);
  if constexpr (activation == Activation::relu) return x > 0 ? 1.0f : 0.0f;
  if constexpr (activation == Activation::silu) return swish(x, 1.0f);
  if constexpr (activation == Activation::tanh) {
    const float t = fast_tanh(x);
    return 1.0f - t * t;
  }
  return 1.0f;
}

/// Calls `f` with the activation as a compile-time constant.
template <class F>
void with_activation(Activation activation, F&& f) {
  switch (activation) {
    case Activation::none:
      return f.template operator()<Activation::none>();
    case Activation::gelu:
      return f.template operator()<Activation::gelu>();
    case Activation::gelu_tanh:
      return f.template operator()<Activation::gelu_tanh>();
    case Activation::quick_gelu:
      return f.template operator()<Activation::quick_gelu>();
    case Activation::relu:
      return f.template operator()<Activation::relu>();
    case Activation::silu:
      return f.template operator()<Activation::silu>();
    case Activation::tanh:
      return f.template operator()<Activation::tanh>();
  }
}

}  // namespace kernels
}  // namespace patina

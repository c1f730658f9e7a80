#include "patina/nn/layers.h"

#include <cmath>

#include "patina/ops.h"

namespace patina::nn {

Linear::Linear(int64_t in, int64_t out, bool with_bias) : weight(at::empty({out, in})) {
  if (with_bias) bias = at::zeros({out});
}

Tensor Linear::operator()(const Tensor& x) const {
  return at::linear(x, weight, bias);
}

void Linear::walk(Walk& w) {
  w("weight", weight);
  w("bias", bias);
}

LayerNorm::LayerNorm(int64_t width, double eps)
    : weight(at::ones({width})), bias(at::zeros({width})), eps(eps) {}

Tensor LayerNorm::operator()(const Tensor& x) const {
  return at::layer_norm(x, weight.sizes(), weight, bias, eps);
}

void LayerNorm::walk(Walk& w) {
  w("weight", weight);
  w("bias", bias);
}

namespace {
template <class Draw>
void fill(Tensor& t, Draw draw) {
  NoGrad no_grad;
  Tensor fresh = at::empty(t.sizes(), at::kFloat);
  draw(values(fresh));
  t.copy_(fresh);
}
}  // namespace

void init_truncated_normal(Tensor& t, Random& random, double deviation) {
  fill(t, [&](std::span<float> out) {
    for (float& x : out) {
      double draw;
      do draw = random.normal();
      while (std::abs(draw) > 2);
      x = float(draw * deviation);
    }
  });
}

void init_normal(Tensor& t, Random& random, double mean, double deviation) {
  fill(t, [&](std::span<float> out) { random.fill_normal(out, mean, deviation); });
}

void init_uniform(Tensor& t, Random& random, double bound) {
  fill(t, [&](std::span<float> out) { random.fill_uniform(out, -bound, bound); });
}

void init_kaiming(Tensor& t, Random& random) {
  init_uniform(t, random, 1 / std::sqrt(double(t.size(-1))));
}

}  // namespace patina::nn

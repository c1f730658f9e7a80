#include "patina/nn/layers.h"

#include <cmath>

#include "patina/ops.h"

namespace patina::nn {

Linear::Linear(int64_t in, int64_t out, bool with_bias) : weight(at::empty({out, in})) {
  if (with_bias) bias = at::zeros({out});
}

Tensor Linear::operator()(const Tensor& x) const {
  if (stored()) return kernels::linear(x, stored_weight(), bias, {}, x.scalar_type());
  return linear(x, weight, bias);
}

Linear Linear::part(int64_t from, int64_t to) const {
  Linear rows;
  if (stored()) {
    const auto shared = stored_weight().part(from, to);
    rows.weight = shared.bytes;
    rows.form = shared.form;
  } else {
    rows.weight = weight.slice(0, from, to);
  }
  if (bias.defined()) rows.bias = bias.slice(0, from, to);
  return rows;
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const LinearEnd& end) {
  const bool bf16 = x.scalar_type() == at::kBFloat16;
  if (bf16 && x.is_cpu()) return kernels::linear(x, weight, bias, end);
  kernels::count_linear(x.numel() / x.size(-1), x, weight);
  const auto typed = [&](const Tensor& t) { return t.defined() ? t.to(x.scalar_type()) : t; };
  const Tensor y = activate(end.activation, at::linear(x, typed(weight), typed(bias)));
  if (end.add.defined()) return end.add + y;
  return end.wide && bf16 ? y.to(at::kFloat) : y;
}

void Linear::walk(Walk& w) {
  w("weight", weight, form);
  w("bias", bias);
}

Norm::Norm(int64_t width, double eps, bool rms) : weight(at::ones({width})), eps(eps), rms(rms) {
  if (!rms) bias = at::zeros({width});
}

Norm::Norm(int64_t width, const BlockShape& shape) : Norm(width, shape.eps, shape.rms_norm) {
  if (!shape.norm_bias) bias = Tensor();
  around_one = shape.around_one;
  if (around_one) weight = at::zeros({width});
}

Tensor Norm::operator()(const Tensor& x) const {
  if (!rms) return at::layer_norm(x, weight.sizes(), factors(), bias, eps);
  const Tensor wide = x.to(at::kFloat);
  return factors() *
         (wide * at::rsqrt(wide.square().mean(-1, /*keepdim=*/true) + eps)).to(x.dtype());
}

Tensor Norm::factors() const {
  return around_one ? weight + 1 : weight;
}

Embedding::Embedding(int64_t rows, int64_t width) : weight(at::empty({rows, width})) {}

Tensor Embedding::operator()(const Tensor& ids) const {
  if (form.stored()) return kernels::StoredWeight{weight, form}.rows_of(ids);
  return at::embedding(weight, ids);
}

Tensor activate(Activation activation, const Tensor& x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::gelu:
      return at::gelu(x);
    case Activation::gelu_tanh:
      return at::gelu(x, "tanh");
    case Activation::quick_gelu:
      return x * at::sigmoid(x * 1.702);
    case Activation::relu:
      return at::relu(x);
    case Activation::silu:
      return at::silu(x);
    case Activation::tanh:
      return at::tanh(x);
  }
  return x;
}

void Norm::walk(Walk& w) {
  w("weight", weight);
  w("bias", bias);
}

namespace {
template <class Draw>
void fill(Tensor& t, Draw draw) {
  NoGrad no_grad;
  Tensor fresh = at::empty(t.sizes(), at::kFloat);
  draw(host_values(fresh));
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
  init_uniform(t, random, -bound, bound);
}

void init_uniform(Tensor& t, Random& random, double low, double high) {
  fill(t, [&](std::span<float> out) { random.fill_uniform(out, low, high); });
}

void init_kaiming(Tensor& t, Random& random) {
  init_uniform(t, random, 1 / std::sqrt(double(t.size(-1))));
}

}  // namespace patina::nn

#include "patina/kernels/functions.h"
#include "patina/nn/engine.h"
#include "patina/ops.h"

namespace patina::nn {

namespace {

class PlainEngine : public Engine {
 public:
  Tensor rows(const Tensor& x) const override { return x; }
  Tensor norm(const Norm& norm, const Tensor& x) const override { return norm(x); }
  Tensor linear(const Linear& linear, const Tensor& x, const LinearEnd& end) const override {
    if (linear.stored())
      return kernels::linear(x, linear.stored_weight(), linear.bias, end, at::kFloat);
    return nn::linear(x, linear.weight, linear.bias, end);
  }
  Tensor activate(Activation activation, const Tensor& x) const override {
    return nn::activate(activation, x);
  }
  Tensor gate(Activation activation, const Tensor& x) const override {
    const int64_t half = x.size(-1) / 2;
    return activate(activation, x.slice(-1, 0, half)) * x.slice(-1, half);
  }

  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
                double scale, double cap) const override {
    const int64_t batch = query.size(0), heads = query.size(1), size = query.size(3);
    const auto shared = [&](const Tensor& t) {  // [B,Hk,S,d] -> [B,H,S,d]
      if (t.size(1) == heads) return t;
      return t.unsqueeze(2)
          .expand({batch, t.size(1), heads / t.size(1), t.size(2), size})
          .reshape({batch, heads, t.size(2), size});
    };
    kernels::count_attention(query, key, value);
    Tensor scores = at::matmul(query * scale, shared(key).transpose(-2, -1));  // [B,H,T,S]
    if (cap > 0) scores = at::tanh(scores / cap) * cap;
    if (bias.defined()) scores = scores + bias;
    const Tensor mixed = at::matmul(at::softmax(scores, -1), shared(value));  // [B,H,T,d]
    return mixed.transpose(1, 2).reshape({batch, query.size(2), heads * size});
  }

  Tensor attend_within(const Tensor& mixed, const kernels::Heads& heads, const Tensor& bias,
                       double scale) const override {
    const auto [query, key, value] = heads_of(mixed, heads);
    return attend(query, key, value, bias, scale, 0);
  }

  Tensor embed_patches(const Linear& patch, const Tensor& images) const override {
    const int64_t side = patch.weight.size(-1);
    const Tensor grid = at::conv2d(images, patch.weight, patch.bias, side);  // [B,D,h,w]
    kernels::count_linear(grid.numel() / grid.size(1), images, patch.weight);
    return grid.flatten(2).transpose(1, 2);
  }

  bool frugal() const override { return false; }
  std::string text() const override { return "plain"; }
};

}  // namespace

std::array<Tensor, 3> heads_of(const Tensor& mixed, const kernels::Heads& heads) {
  const int64_t queries = heads.queries * heads.size, keys = heads.keys * heads.size;
  const auto parts = mixed.split_with_sizes({queries, keys, keys}, -1);
  const auto split = [&](const Tensor& t) {
    return t.reshape({t.size(0), t.size(1), -1, heads.size}).transpose(1, 2);
  };
  return {split(parts[0]), split(parts[1]), split(parts[2])};
}

std::shared_ptr<const Engine> plain_engine() {
  static const auto engine = std::make_shared<const PlainEngine>();
  return engine;
}

}  // namespace patina::nn

#include "patina/nn/block.h"

#include <cmath>

#include "patina/ops.h"

namespace patina::nn {

Attention::Attention(const BlockShape& shape)
    : qkv(shape.width, 3 * shape.width, shape.qkv_bias),
      proj(shape.width, shape.width),
      heads(shape.heads) {}

Tensor Attention::operator()(const Tensor& x, int layer, const Adaptations& adaptations) const {
  const int64_t batch = x.size(0), rows = x.size(1), width = x.size(2), size = width / heads;
  const auto split = [&](const Tensor& t) {  // [B,T,D] -> [B,H,T,D/H]
    return t.reshape({batch, -1, heads, size}).transpose(1, 2);
  };
  const Tensor mixed = adaptations.after(Site::qkv, layer, x, qkv(x));
  const Tensor query = split(mixed.slice(-1, 0, width)) * (1 / std::sqrt(double(size)));
  Tensor key = split(mixed.slice(-1, width, 2 * width));
  Tensor value = split(mixed.slice(-1, 2 * width, 3 * width));
  if (auto [more_keys, more_values] = adaptations.prefix(layer, batch); more_keys.defined()) {
    key = at::cat({split(more_keys), key}, 2);
    value = at::cat({split(more_values), value}, 2);
  }
  const Tensor weights = at::softmax(at::matmul(query, key.transpose(-2, -1)), -1);  // [B,H,T,P+T]
  return proj(at::matmul(weights, value).transpose(1, 2).reshape({batch, rows, width}));
}

void Attention::walk(Walk& w) {
  w("qkv", qkv);
  w("proj", proj);
}

Mlp::Mlp(const BlockShape& shape)
    : fc1(shape.width, shape.hidden), fc2(shape.hidden, shape.width) {}

Tensor Mlp::operator()(const Tensor& x, int layer, const Adaptations& adaptations) const {
  const Tensor hidden = at::gelu(adaptations.after(Site::fc1, layer, x, fc1(x)));
  return adaptations.after(Site::fc2, layer, hidden, fc2(hidden));
}

void Mlp::walk(Walk& w) {
  w("fc1", fc1);
  w("fc2", fc2);
}

Block::Block(const BlockShape& shape)
    : norm1(shape.width, shape.eps), norm2(shape.width, shape.eps), attn(shape), mlp(shape) {
  if (shape.layer_scale) ls1.gamma = at::ones({shape.width}), ls2.gamma = at::ones({shape.width});
}

Tensor Block::operator()(Tensor x, int layer, const Adaptations& adaptations) const {
  const auto half = [&](const LayerNorm& norm, Site norm_site, const auto& body,
                        const LayerScale& scale, Site site) {
    const Tensor normal = adaptations.after(norm_site, layer, x, norm(x));
    x = x + adaptations.after(site, layer, x, scale(body(normal, layer, adaptations)));
  };
  x = adaptations.tokens(layer, std::move(x));
  half(norm1, Site::norm1, attn, ls1, Site::attention);
  half(norm2, Site::norm2, mlp, ls2, Site::mlp);
  return x;
}

void Block::walk(Walk& w) {
  w("norm1", norm1);
  w("attn", attn);
  w("ls1", ls1);
  w("norm2", norm2);
  w("mlp", mlp);
  w("ls2", ls2);
}

}  // namespace patina::nn

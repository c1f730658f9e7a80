#include "patina/nn/block.h"

#include "patina/ops.h"

namespace patina::nn {

Mlp::Mlp(const BlockShape& shape)
    : fc1(shape.width, shape.fc1_width(), shape.mlp_bias),
      fc2(shape.hidden, shape.width, shape.mlp_bias),
      activation(shape.activation),
      gated(shape.gated) {}

Tensor Mlp::operator()(const Tensor& x, int layer, const Adaptations& adaptations) const {
  Tensor hidden = adaptations.after(Site::fc1, layer, x, fc1(x));
  if (gated) {
    const int64_t half = hidden.size(-1) / 2;
    hidden = activate(activation, hidden.slice(-1, 0, half)) * hidden.slice(-1, half);
  } else {
    hidden = activate(activation, hidden);
  }
  return adaptations.after(Site::fc2, layer, hidden, fc2(hidden));
}

void Mlp::walk(Walk& w) {
  w("fc1", fc1);
  w("fc2", fc2);
}

Block::Block(const BlockShape& shape)
    : norm1(shape.width, shape.eps, shape.rms_norm),
      norm2(shape.width, shape.eps, shape.rms_norm),
      attn(shape),
      mlp(shape),
      post_norm(shape.post_norm) {
  if (shape.cross) {
    norm_cross = Norm(shape.width, shape.eps, shape.rms_norm);
    cross = Attention(shape);
  }
  if (shape.layer_scale) ls1.gamma = at::ones({shape.width}), ls2.gamma = at::ones({shape.width});
}

Tensor Block::operator()(Tensor x, int layer, Pass& pass) const {
  const Adaptations& adaptations = pass.adaptations();
  const int numbered = pass.first_layer() + layer;
  const auto half = [&](const Norm& norm, Site norm_site, const auto& body, const LayerScale& scale,
                        Site site) {
    const auto normal = [&](const Tensor& t) {
      return adaptations.after(norm_site, numbered, t, norm(t));
    };
    const auto added = [&](const Tensor& t) {
      return adaptations.after(site, numbered, x, scale(body(t)));
    };
    x = post_norm ? normal(x + added(x)) : x + added(normal(x));
  };
  x = pass.enter(layer, std::move(x));
  half(
      norm1, Site::norm1, [&](const Tensor& t) { return attn(t, layer, pass); }, ls1,
      Site::attention);
  if (cross.qkv.weight.defined()) x = x + cross.over_encoded(norm_cross(x), layer, pass);
  half(
      norm2, Site::norm2, [&](const Tensor& t) { return mlp(t, numbered, adaptations); }, ls2,
      Site::mlp);
  return x;
}

void Block::walk(Walk& w) {
  w("norm1", norm1);
  w("attn", attn);
  w("ls1", ls1);
  w("norm_cross", norm_cross);
  w("cross", cross);
  w("norm2", norm2);
  w("mlp", mlp);
  w("ls2", ls2);
}

}  // namespace patina::nn

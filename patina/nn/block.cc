#include "patina/nn/block.h"

#include "patina/ops.h"

namespace patina::nn {

Mlp::Mlp(const BlockShape& shape)
    : fc1(shape.width, shape.fc1_width(), shape.mlp_bias),
      fc2(shape.hidden, shape.width, shape.mlp_bias),
      activation(shape.activation),
      gated(shape.gated) {
  if (shape.mlp_norm) norm = Norm(shape.hidden, shape);
}

Tensor Mlp::hidden(const Tensor& x, int layer, const Pass& pass) const {
  const Engine& engine = pass.engine();
  const auto normal = [&](const Tensor& hidden) {
    return norm.weight.defined() ? engine.norm(norm, hidden.to(at::kFloat)) : hidden;
  };
  if (!gated && !pass.adaptations().act(Site::fc1))
    return normal(engine.linear(fc1, x, {.activation = activation}));
  const Tensor hidden = pass.adaptations().after(Site::fc1, layer, x, engine.linear(fc1, x));
  return normal(gated ? engine.gate(activation, hidden) : engine.activate(activation, hidden));
}

void Mlp::walk(Walk& w) {
  w("fc1", fc1);
  w("norm", norm);
  w("fc2", fc2);
}

Block::Block(const BlockShape& shape)
    : norm2(shape.width, shape), attn(shape), mlp(shape), post_norm(shape.post_norm) {
  if (!shape.bare) norm1 = Norm(shape.width, shape);
  if (shape.cross) {
    norm_cross = Norm(shape.width, shape);
    cross = Attention(shape);
  }
  if (shape.sum_norm) sum_norm1 = Norm(shape.width, shape), sum_norm2 = Norm(shape.width, shape);
  if (shape.layer_scale) ls1.gamma = at::ones({shape.width}), ls2.gamma = at::ones({shape.width});
}

Tensor Block::operator()(Tensor x, int layer, Pass& pass) const {
  const Engine& engine = pass.engine();
  const Adaptations& adaptations = pass.adaptations();
  const int numbered = pass.first_layer() + layer;
  if (numbered < adaptations.first_layer()) return x;
  const auto normal = [&](const Norm& norm, Site site, const Tensor& t) {
    const bool bare = !norm.weight.defined();
    return adaptations.after(site, numbered, t, bare ? engine.rows(t) : engine.norm(norm, t));
  };
  // Returns x + last({}). Layer scale, a norm and adaptations change the second term before it is
  // added; adaptations read `in` (undefined: x).
  const auto sum = [&](const auto& last, const LayerScale& scale, const Norm& norm, Site site,
                       const Tensor& in) {
    const bool normalised = norm.weight.defined();
    if (!scale.gamma.defined() && !normalised && !adaptations.act(site) &&
        !adaptations.act(site == Site::mlp ? Site::fc2 : Site::proj))
      return last(LinearEnd{.add = x});
    Tensor added = scale(last(LinearEnd{.wide = normalised || adaptations.act(site)}));
    if (normalised) added = norm(added.to(at::kFloat));
    if (adaptations.act(site))
      added = adaptations.after(site, numbered, in.defined() ? in : engine.rows(x), added);
    return x + added;
  };
  // A post-norm block: the normalised sum becomes the residual stream.
  const auto ended = [&](const Norm& norm, Site site) {
    if (post_norm) x = adaptations.after(site, numbered, x, norm(x));
  };
  x = pass.enter(layer, std::move(x));
  Tensor read = post_norm ? engine.rows(x) : normal(norm1, Site::norm1, x);
  const Tensor mixed = attn(read, layer, pass);
  x = pass.read_on(x, 1);
  read = adaptations.act(Site::attention) ? pass.read_on(read, 1) : Tensor();
  const auto projected = [&](const LinearEnd& end) {
    return adaptations.after(Site::proj, numbered, mixed, engine.linear(attn.proj, mixed, end));
  };
  x = sum(projected, ls1, sum_norm1, Site::attention, read);
  ended(norm1, Site::norm1);
  if (cross.qkv.weight.defined()) {
    const Tensor asking = post_norm ? engine.rows(x) : engine.norm(norm_cross, x);
    x = engine.linear(cross.proj, cross.over_encoded(asking, layer, pass), {.add = x});
    if (post_norm) x = norm_cross(x);
  }
  read = post_norm ? engine.rows(x) : normal(norm2, Site::norm2, x);
  const auto both_layers = [&](const LinearEnd& end) {
    if (!mlp.gated && !mlp.norm.weight.defined() && !adaptations.act(Site::fc1) &&
        !adaptations.act(Site::fc2))
      return engine.mlp(mlp.fc1, mlp.activation, mlp.fc2, read, end);
    const Tensor hidden = mlp.hidden(read, numbered, pass);
    const Tensor added = engine.linear(mlp.fc2, hidden, end);
    return adaptations.after(Site::fc2, numbered, hidden, added);
  };
  x = sum(both_layers, ls2, sum_norm2, Site::mlp, {});
  ended(norm2, Site::norm2);
  return x;
}

void Block::walk(Walk& w) {
  w("norm1", norm1);
  w("attn", attn);
  w("sum_norm1", sum_norm1);
  w("ls1", ls1);
  w("norm_cross", norm_cross);
  w("cross", cross);
  w("norm2", norm2);
  w("mlp", mlp);
  w("sum_norm2", sum_norm2);
  w("ls2", ls2);
}

}  // namespace patina::nn

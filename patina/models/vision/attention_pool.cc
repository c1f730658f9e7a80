#include "patina/models/vision/attention_pool.h"

#include <cmath>

#include "patina/ops.h"

namespace patina {

AttentionPool::AttentionPool(const nn::BlockShape& shape)
    : latent(at::zeros({1, 1, shape.width})),
      qkv(shape.width, 3 * shape.width),
      proj(shape.width, shape.width),
      norm(shape.width, shape.eps),
      fc1(shape.width, shape.hidden),
      fc2(shape.hidden, shape.width),
      activation(shape.activation),
      heads(shape.heads) {}

Tensor AttentionPool::operator()(const Tensor& tokens, const nn::Engine& engine) const {
  const int64_t width = latent.size(2), size = width / heads;
  const auto rows = [&](int64_t from, int64_t to) {
    nn::Linear part;
    part.weight = qkv.weight.slice(0, from, to);
    part.bias = qkv.bias.slice(0, from, to);
    return part;
  };
  const auto split = [&](const Tensor& t) {  // [B,T,D] -> [B,H,T,d]
    return t.reshape({t.size(0), t.size(1), heads, size}).transpose(1, 2);
  };
  const Tensor query = engine.linear(rows(0, width), engine.rows(latent));
  const Tensor read = engine.rows(tokens);
  const Tensor keys = engine.linear(rows(width, 2 * width), read);
  const Tensor values = engine.linear(rows(2 * width, 3 * width), read);
  const Tensor asking = split(query.expand({tokens.size(0), 1, width}));
  const Tensor mixed =
      engine.attend(asking, split(keys), split(values), {}, 1 / std::sqrt(double(size)), /*cap=*/0);
  const Tensor pooled = engine.linear(proj, mixed, {.wide = true});
  return engine.mlp(fc1, activation, fc2, engine.norm(norm, pooled), {.add = pooled}).squeeze(1);
}

void AttentionPool::walk(nn::Walk& w) {
  w("latent", latent);
  w("qkv", qkv);
  w("proj", proj);
  w("norm", norm);
  w("mlp.fc1", fc1);
  w("mlp.fc2", fc2);
}

}  // namespace patina

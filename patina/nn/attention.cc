#include "patina/nn/attention.h"

#include <cmath>

#include "patina/ops.h"

namespace patina::nn {

Attention::Attention(const BlockShape& shape)
    : qkv(shape.width, shape.qkv_width(), shape.qkv_bias),
      proj(shape.query_width(), shape.width, shape.proj_bias),
      heads(shape.heads),
      key_heads(shape.key_heads > 0 ? shape.key_heads : shape.heads),
      size(shape.size()),
      scale(1),
      cap(shape.cap),
      rotary(shape.rotary),
      disentangled(shape.disentangled),
      window(shape.window) {
  if (shape.scaled)
    scale = 1 / std::sqrt(shape.scaled_as > 0 ? shape.scaled_as : double(shape.size()));
  if (disentangled.own_layers) {
    const int64_t width = shape.query_width();
    if (disentangled.to_distances) distance_key = Linear(shape.width, width);
    if (disentangled.of_distances) distance_query = Linear(shape.width, width);
  }
  if (shape.head_norm) query_norm = Norm(size, shape), key_norm = Norm(size, shape);
  if (shape.attention_norm) norm = Norm(shape.query_width(), shape);
}

Tensor Attention::split(const Tensor& t) const {
  return t.reshape({t.size(0), t.size(1), -1, size}).transpose(1, 2);
}

Tensor Attention::distance_scores(const Tensor& query, const Tensor& key, int layer,
                                  Pass& pass) const {
  const auto& [rows, index] = pass.distances();
  Tensor queries, keys;  // of distances, [B|1,H,N,d]
  if (disentangled.own_layers) {
    const Tensor read = pass.engine().rows(rows);
    if (disentangled.to_distances) keys = split(pass.engine().linear(distance_key, read));
    if (disentangled.of_distances) queries = split(pass.engine().linear(distance_query, read));
  } else {
    // What changes the tokens' layers changes those of the distances; it may differ among samples.
    const bool adapted = pass.adaptations().act(Site::qkv);
    const Tensor read =
        pass.engine().rows(adapted ? rows.expand({key.size(0), -1, -1}).contiguous() : rows);
    const Tensor mixed =
        pass.adaptations().after(Site::qkv, layer, read, pass.engine().linear(qkv, read));
    const auto parts = heads_of(mixed, {heads, key_heads, size});
    queries = parts[0], keys = parts[1];
  }
  const Tensor which = index.unsqueeze(1).expand({key.size(0), heads, -1, -1});  // [B,H,R,T]
  const auto scores = [](const Tensor& tokens, const Tensor& distances) {        // [B,H,T,N]
    kernels::count_scores(tokens, distances);
    return at::matmul(tokens.to(at::kFloat), distances.to(at::kFloat).transpose(-2, -1));
  };
  Tensor sum;
  if (disentangled.to_distances) sum = scores(query, keys).gather(3, which);
  if (disentangled.of_distances) {
    const Tensor more = scores(key, queries).gather(3, which.transpose(-2, -1)).transpose(-2, -1);
    sum = sum.defined() ? sum + more : more;
  }
  return sum * scale;
}

Tensor Attention::operator()(const Tensor& x, int layer, Pass& pass) const {
  const Tensor mixed = attended(x, layer, pass);
  return norm.weight.defined() ? pass.engine().norm(norm, mixed.to(at::kFloat)) : mixed;
}

Tensor Attention::attended(const Tensor& x, int layer, Pass& pass) const {
  const int numbered = pass.first_layer() + layer;
  const Tensor mixed =
      pass.adaptations().after(Site::qkv, numbered, x, pass.engine().linear(qkv, x));
  const auto [more_keys, more_values] = pass.adaptations().prefix(numbered, x.size(0));
  const auto [own_keys, own_values] = pass.adaptations().aside(numbered, x.size(0));
  const kernels::Heads all = {heads, key_heads, size};
  if (!more_keys.defined() && !own_keys.defined() && plain() && pass.as_made())
    return pass.engine().attend_within(mixed, all, pass.bias(0, window), scale);
  auto [query, key, value] = heads_of(mixed, all);
  if (query_norm.weight.defined()) {
    query = pass.engine().norm(query_norm, query.to(at::kFloat));
    key = pass.engine().norm(key_norm, key.to(at::kFloat));
  }
  query = pass.read_on(pass.turned(query, rotary), 2);
  key = pass.turned(key, rotary);
  pass.extend(layer, key, value);
  Tensor added = disentangled.on() ? distance_scores(query, key, numbered, pass) : Tensor();
  int64_t prefix = 0;
  if (more_keys.defined()) {
    prefix = more_keys.size(1);
    key = at::cat({split(more_keys).to(key.dtype()), key}, 2);
    value = at::cat({split(more_values).to(value.dtype()), value}, 2);
  }
  Tensor bias = pass.bias(prefix, window);
  if (added.defined()) {  // prefixes have no distance
    if (prefix > 0) added = at::constant_pad_nd(added, {prefix, 0});
    bias = bias.defined() ? bias + added : added;
  }
  Tensor own = pass.engine().attend(query, key, value, bias, scale, cap);
  if (!own_keys.defined()) return own;
  return own + pass.engine().attend(query, split(own_keys).to(key.dtype()),
                                    split(own_values).to(value.dtype()), {}, scale, cap);
}

Tensor Attention::over_encoded(const Tensor& x, int layer, Pass& pass) const {
  const auto part = [&](const Tensor& t, int64_t from, int64_t to) {
    return split(pass.engine().linear(qkv.part(from, to), t));
  };
  const int64_t keys = query_width(), values = keys + key_width();
  KeyValues::Layer* kept = pass.cached(layer);
  Tensor key = kept ? kept->encoded_key : Tensor(), value = kept ? kept->encoded_value : Tensor();
  if (!key.defined()) {
    key = part(pass.encoded(), keys, values);
    value = part(pass.encoded(), values, values + key_width());
    if (kept) kept->encoded_key = key, kept->encoded_value = value;
  }
  return pass.engine().attend(part(x, 0, keys), key, value, pass.encoded_bias(), scale, cap);
}

void Attention::walk(Walk& w) {
  w("qkv", qkv);
  w("distance_query", distance_query);
  w("distance_key", distance_key);
  w("query_norm", query_norm);
  w("key_norm", key_norm);
  w("norm", norm);
  w("proj", proj);
}

}  // namespace patina::nn

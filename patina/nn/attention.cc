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
      scale(shape.scaled ? 1 / std::sqrt(double(shape.size())) : 1) {}

Tensor Attention::split(const Tensor& t) const {
  return t.reshape({t.size(0), t.size(1), -1, size}).transpose(1, 2);
}

Tensor Attention::attend(const Tensor& query, const Tensor& key, const Tensor& value,
                         const Tensor& bias) const {
  const auto shared = [&](const Tensor& t) {  // [B,Hk,S,d] -> [B,H,S,d]
    if (key_heads == heads) return t;
    return t.unsqueeze(2)
        .expand({t.size(0), key_heads, heads / key_heads, t.size(2), size})
        .reshape({t.size(0), heads, t.size(2), size});
  };
  Tensor scores = at::matmul(query * scale, shared(key).transpose(-2, -1));  // [B,H,T,S]
  if (bias.defined()) scores = scores + bias;
  const Tensor mixed = at::matmul(at::softmax(scores, -1), shared(value));  // [B,H,T,d]
  return proj(mixed.transpose(1, 2).reshape({query.size(0), query.size(2), query_width()}));
}

Tensor Attention::operator()(const Tensor& x, int layer, Pass& pass) const {
  const int numbered = pass.first_layer() + layer;
  const Tensor mixed = pass.adaptations().after(Site::qkv, numbered, x, qkv(x));
  const int64_t keys = query_width(), values = keys + key_width();
  const Tensor query = pass.rotate(split(mixed.slice(-1, 0, keys)));
  Tensor key = pass.rotate(split(mixed.slice(-1, keys, values)));
  Tensor value = split(mixed.slice(-1, values));
  pass.extend(layer, key, value);
  int64_t prefix = 0;
  if (auto [more_keys, more_values] = pass.adaptations().prefix(numbered, x.size(0));
      more_keys.defined()) {
    prefix = more_keys.size(1);
    key = at::cat({split(more_keys), key}, 2);
    value = at::cat({split(more_values), value}, 2);
  }
  return attend(query, key, value, pass.bias(prefix));
}

Tensor Attention::over_encoded(const Tensor& x, int layer, Pass& pass) const {
  const auto part = [&](const Tensor& t, int64_t from, int64_t to) {
    return at::linear(t, qkv.weight.slice(0, from, to),
                      qkv.bias.defined() ? qkv.bias.slice(0, from, to) : qkv.bias);
  };
  const int64_t keys = query_width(), values = keys + key_width();
  KeyValues::Layer* kept = pass.cached(layer);
  Tensor key = kept ? kept->encoded_key : Tensor(), value = kept ? kept->encoded_value : Tensor();
  if (!key.defined()) {
    key = split(part(pass.encoded(), keys, values));
    value = split(part(pass.encoded(), values, values + key_width()));
    if (kept) kept->encoded_key = key, kept->encoded_value = value;
  }
  return attend(split(part(x, 0, keys)), key, value, pass.encoded_bias());
}

void Attention::walk(Walk& w) {
  w("qkv", qkv);
  w("proj", proj);
}

}  // namespace patina::nn

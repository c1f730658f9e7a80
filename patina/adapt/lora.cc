#include "patina/adapt/lora.h"

#include "patina/adapt/layers.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

void LoraOptions::bind(Fields& f) {
  f("rank", rank, "Rank r of each change.", at_least(1));
  f("alpha", alpha, "A change is scaled by alpha / rank.", above(0));
  f("parts", parts, "Which projections change: queries, keys, values.",
    {"q", "k", "v", "qk", "qv", "kv", "qkv"});
}

Lora::Lora(const LoraOptions& options, const nn::BlockShape& shape, int64_t depth, Random& random)
    : shape_(shape), scale_(options.alpha / double(options.rank)), changes_(size_t(depth)) {
  const auto begin = [&](char part, Product& product, int64_t width) {
    if (options.parts.find(part) == std::string::npos) return;
    product.a = at::empty({options.rank, shape.width});
    product.b = at::zeros({width, options.rank});
    nn::init_kaiming(product.a, random);
    if (options.learned_scale) product.factor = at::ones({1});
  };
  for (int64_t i = 0; i < depth; ++i) {
    if (!chosen(i, options.layers)) continue;
    Change& change = changes_[size_t(i)];
    begin('q', change.q, shape.query_width());
    begin('k', change.k, shape.key_width());
    begin('v', change.v, shape.key_width());
  }
  nn::freeze(*this, false);
}

Tensor Lora::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  if (site != nn::Site::qkv) return out;
  const auto& [q, k, v] = changes_[size_t(layer)];
  if (!q.a.defined() && !k.a.defined() && !v.a.defined()) return out;
  std::vector<Tensor> parts =
      out.split_with_sizes({shape_.query_width(), shape_.key_width(), shape_.key_width()}, -1);
  const auto change = [&](Tensor& part, const Product& product) {
    if (!product.a.defined()) return;
    const Tensor added = nn::linear(nn::linear(in, product.a), product.b) * scale_;
    part = part + (product.factor.defined() ? added * product.factor : added);
  };
  change(parts[0], q);
  change(parts[1], k);
  change(parts[2], v);
  return at::cat(parts, -1);
}

void Lora::walk(nn::Walk& w) {
  w("blocks", changes_);
}

void Lora::Change::walk(nn::Walk& w) {
  w("q", q);
  w("k", k);
  w("v", v);
}

void Lora::Product::walk(nn::Walk& w) {
  w("a", a);
  w("b", b);
  w("factor", factor);
}

}  // namespace patina::adapt

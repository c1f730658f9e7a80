#include "patina/adapt/lora.h"

#include "patina/adapt/layers.h"
#include "patina/config/sizes.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

void LoraOptions::bind(Fields& f) {
  f("rank", rank, "Rank r of each change.", sized(1));
  f("alpha", alpha, "A change is scaled by alpha / rank.", above(0));
  f("parts", parts, "Which projections change: queries, keys, values.",
    {"q", "k", "v", "qk", "qv", "kv", "qkv"});
  f("mlp", mlp, "Whether the MLP's two layers change as well.");
  f("joint", joint, "One change for queries, keys and values together; false: one each.");
  f.require(!joint || parts == "qkv", "joint", "needs parts = \"qkv\"");
}

Lora::Lora(const LoraOptions& options, const nn::BlockShape& shape, int64_t depth, Random& random)
    : shape_(shape),
      scale_(options.alpha / double(options.rank)),
      mlp_(options.mlp),
      changes_(size_t(depth)) {
  const auto begin = [&](bool wanted, Product& product, int64_t in, int64_t out) {
    if (!wanted) return;
    product.a = at::empty({options.rank, in});
    product.b = at::zeros({out, options.rank});
    nn::init_kaiming(product.a, random);
    if (options.learned_scale) product.factor = at::ones({1});
  };
  const auto has = [&](char part) {
    return !options.joint && options.parts.find(part) != std::string::npos;
  };
  for (int64_t i = 0; i < depth; ++i) {
    if (!chosen(i, options.layers)) continue;
    Change& change = changes_[size_t(i)];
    begin(has('q'), change.q, shape.width, shape.query_width());
    begin(has('k'), change.k, shape.width, shape.key_width());
    begin(has('v'), change.v, shape.width, shape.key_width());
    begin(options.joint, change.qkv, shape.width, shape.qkv_width());
    begin(mlp_, change.fc1, shape.width, shape.fc1_width());
    begin(mlp_, change.fc2, shape.hidden, shape.width);
  }
  nn::freeze(*this, false);
}

Tensor Lora::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  if (!acts(site)) return out;
  const auto& [q, k, v, qkv, fc1, fc2] = changes_[size_t(layer)];
  const auto changed = [&](const Tensor& part, const Product& product) {
    if (!product.a.defined()) return part;
    const Tensor added = nn::linear(nn::linear(in, product.a), product.b) * scale_;
    return part + (product.factor.defined() ? added * product.factor : added);
  };
  if (site == nn::Site::fc1) return changed(out, fc1);
  if (site == nn::Site::fc2) return changed(out, fc2);
  if (qkv.a.defined()) return changed(out, qkv);
  if (!q.a.defined() && !k.a.defined() && !v.a.defined()) return out;
  const auto parts =
      out.split_with_sizes({shape_.query_width(), shape_.key_width(), shape_.key_width()}, -1);
  return at::cat({changed(parts[0], q), changed(parts[1], k), changed(parts[2], v)}, -1);
}

void Lora::begin_at(int64_t layer, nn::Site site, const Tensor& rows) {
  auto& [q, k, v, qkv, fc1, fc2] = changes_.at(size_t(layer));
  const Tensor a = site == nn::Site::fc1 ? fc1.a : site == nn::Site::fc2 ? fc2.a : qkv.a;
  if (a.defined()) a.detach().copy_(rows);
}

void Lora::walk(nn::Walk& w) {
  w("blocks", changes_);
}

void Lora::Change::walk(nn::Walk& w) {
  w("q", q);
  w("k", k);
  w("v", v);
  w("qkv", qkv);
  w("fc1", fc1);
  w("fc2", fc2);
}

void Lora::Product::walk(nn::Walk& w) {
  w("a", a);
  w("b", b);
  w("factor", factor);
}

}  // namespace patina::adapt

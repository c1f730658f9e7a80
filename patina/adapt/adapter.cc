#include "patina/adapt/adapter.h"

#include "patina/adapt/layers.h"
#include "patina/config/sizes.h"
#include "patina/nn/dropout.h"
#include "patina/ops.h"

namespace patina::adapt {

void AdapterOptions::bind(Fields& f) {
  f("bottleneck", bottleneck, "Width between the two projections.", sized(1));
  f("scale", scale, "Factor s on what an adapter adds.", above(0));
  f("placement", placement,
    "Parallel to the MLP (parallel), after it (sequential), or parallel to attention (attention).",
    {"parallel", "sequential", "attention"});
  f("activation", activation, "Activation between the two projections.", {"relu", "gelu"});
  f("dropout", dropout, "Part of the hidden units that a training step drops.",
    {.low = 0, .high = 1, .high_open = true});
}

Adapter::Adapter(const AdapterOptions& options, int64_t width, int64_t depth, Random& random)
    : options_(options),
      site_(options.placement == "attention" ? nn::Site::attention : nn::Site::mlp),
      activation_(options.activation == "gelu" ? nn::Activation::gelu : nn::Activation::relu),
      bottlenecks_(size_t(depth)) {
  for (int64_t i = 0; i < depth; ++i) {
    if (!chosen(i, options.layers)) continue;
    Bottleneck& fresh = bottlenecks_[size_t(i)];
    fresh.down = nn::Linear(width, options.bottleneck);
    fresh.up = nn::Linear(options.bottleneck, width);
    nn::init_kaiming(fresh.down.weight, random);
    fresh.up.weight.zero_();
    if (options.learned_scale) fresh.factor = at::ones({1});
  }
  nn::freeze(*this, false);
}

Tensor Adapter::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  if (site != site_) return out;
  const auto& [down, up, factor] = bottlenecks_[size_t(layer)];
  if (!down.weight.defined()) return out;
  const Tensor read = options_.placement == "sequential" ? out.to(in.scalar_type()) : in;
  const Tensor hidden =
      nn::dropout(nn::linear(read, down.weight, down.bias, {.activation = activation_}),
                  up.weight.requires_grad() ? options_.dropout : 0);
  // Captured by name: clang 14 cannot capture a structured binding.
  const auto scaled = [&, &factor = factor](const Tensor& t) {
    return factor.defined() ? t * (factor * options_.scale) : t * options_.scale;
  };
  return nn::linear(hidden, scaled(up.weight), scaled(up.bias), {.add = out});
}

void Adapter::walk(nn::Walk& w) {
  w("blocks", bottlenecks_);
}

void Adapter::Bottleneck::walk(nn::Walk& w) {
  w("down", down);
  w("up", up);
  w("factor", factor);
}

}  // namespace patina::adapt

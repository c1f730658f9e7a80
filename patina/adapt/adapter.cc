#include "patina/adapt/adapter.h"

#include "patina/ops.h"

namespace patina::adapt {

void AdapterOptions::bind(Fields& f) {
  f("bottleneck", bottleneck, "Width between the two projections.", at_least(1));
  f("scale", scale, "Factor s on what an adapter adds.", above(0));
  f("placement", placement,
    "Reads the residual stream (parallel) or the MLP's output (sequential).",
    {"parallel", "sequential"});
}

Adapter::Adapter(const AdapterOptions& options, int64_t width, int64_t depth, Random& random)
    : scale_(options.scale), parallel_(options.placement == "parallel") {
  for (int64_t i = 0; i < depth; ++i) {
    Bottleneck fresh{nn::Linear(width, options.bottleneck), nn::Linear(options.bottleneck, width)};
    nn::init_kaiming(fresh.down.weight, random);
    fresh.up.weight.zero_();
    bottlenecks_.push_back(std::move(fresh));
  }
  nn::freeze(*this, false);
}

Tensor Adapter::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  if (site != nn::Site::mlp) return out;
  const auto& [down, up] = bottlenecks_[size_t(layer)];
  const Tensor read = parallel_ ? in : out.to(in.scalar_type());
  const Tensor hidden = nn::linear(read, down.weight, down.bias, {.activation = Activation::relu});
  return nn::linear(hidden, up.weight * scale_, up.bias * scale_, {.add = out});
}

void Adapter::walk(nn::Walk& w) {
  w("blocks", bottlenecks_);
}

void Adapter::Bottleneck::walk(nn::Walk& w) {
  w("down", down);
  w("up", up);
}

}  // namespace patina::adapt

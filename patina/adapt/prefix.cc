#include "patina/adapt/prefix.h"

#include "patina/base/error.h"
#include "patina/config/sizes.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

void PrefixOptions::bind(Fields& f) {
  f("length", length, "Number of keys, and of values, in each block.", sized(1));
  f("layers", layers, "Blocks with a prefix, counted from 0.", at_least(0));
}

Prefix::Prefix(const PrefixOptions& options, const nn::BlockShape& shape, int64_t depth,
               Random& random)
    : compensated_(options.compensated), parts_(size_t(depth)) {
  for (const int64_t layer : options.layers) {
    if (layer < 0 || layer >= depth)
      fail(ErrorKind::recipe, "prefix.layers: the network has no block {}; its blocks are 0 to {}",
           layer, depth - 1);
    Part& part = parts_[size_t(layer)];
    for (Tensor* tensor : {&part.keys, &part.values}) {
      // U(-1, 1) as in DualPrompt's PyTorch port; the paper does not say.
      *tensor = at::empty({options.length, shape.key_width()});
      nn::init_uniform(*tensor, random, options.low, options.high);
    }
    if (options.learned_scale) part.key_factor = at::ones({1}), part.value_factor = at::ones({1});
  }
  nn::freeze(*this, false);
}

std::pair<Tensor, Tensor> Prefix::prefix(int layer) {
  auto [keys, values] = parts_[size_t(layer)].scaled();
  if (compensated_ && values.defined()) values = at::zeros_like(values);
  return {keys, values};
}

std::pair<Tensor, Tensor> Prefix::aside(int layer) {
  if (!compensated_) return {};
  return parts_[size_t(layer)].scaled();
}

std::pair<Tensor, Tensor> Prefix::Part::scaled() const {
  if (!key_factor.defined()) return {keys, values};
  return {keys * key_factor, values * value_factor};
}

void Prefix::walk(nn::Walk& w) {
  w("blocks", parts_);
}

void Prefix::Part::walk(nn::Walk& w) {
  w("keys", keys);
  w("values", values);
  w("key_factor", key_factor);
  w("value_factor", value_factor);
}

}  // namespace patina::adapt

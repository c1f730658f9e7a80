#include "patina/adapt/prefix.h"

#include "patina/base/error.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina::adapt {

void PrefixOptions::bind(Fields& f) {
  f("length", length, "Keys, and as many values, a block.", at_least(1));
  f("layers", layers, "Blocks with a prefix, counted from 0.", at_least(0));
}

Prefix::Prefix(const PrefixOptions& options, const nn::BlockShape& shape, int64_t depth,
               Random& random)
    : parts_(size_t(depth)) {
  for (const int64_t layer : options.layers) {
    if (layer < 0 || layer >= depth)
      fail(ErrorKind::recipe, "prefix.layers: there is no block {}: the network's are 0 to {}",
           layer, depth - 1);
    Part& part = parts_[size_t(layer)];
    for (Tensor* tensor : {&part.keys, &part.values}) {
      *tensor = at::empty({options.length, shape.key_width()});
      nn::init_uniform(*tensor, random, 1);  // DualPrompt's PyTorch port; the paper does not say
      tensor->requires_grad_(true);
    }
  }
}

std::pair<Tensor, Tensor> Prefix::prefix(int layer) {
  const Part& part = parts_[size_t(layer)];
  return {part.keys, part.values};
}

void Prefix::walk(nn::Walk& w) {
  w("blocks", parts_);
}

void Prefix::Part::walk(nn::Walk& w) {
  w("keys", keys);
  w("values", values);
}

}  // namespace patina::adapt

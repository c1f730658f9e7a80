#include "patina/adapt/per_sample.h"

#include "patina/ops.h"

namespace patina::adapt {

Tensor SamplePrompt::tokens(int layer, Tensor x) {
  if (layer != 0) return x;
  return at::cat({x.slice(1, 0, 1), rows_.to(x.dtype()), x.slice(1, 1)}, 1);
}

Tensor KeptTokens::tokens(int layer, Tensor x) {
  if (layer == layer_) kept_ = x;
  return x;
}

void SamplePrefix::set(int64_t layer, const Tensor& keys, const Tensor& values) {
  parts_[layer] = {keys, values};
}

void SamplePrefix::set(const std::vector<int64_t>& layers, const Tensor& pairs) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const Tensor own = pairs.select(1, int64_t(i));
    set(layers[i], own.select(1, 0), own.select(1, 1));
  }
}

std::pair<Tensor, Tensor> SamplePrefix::prefix(int layer) {
  const auto part = parts_.find(layer);
  return part == parts_.end() ? std::pair<Tensor, Tensor>() : part->second;
}

}  // namespace patina::adapt

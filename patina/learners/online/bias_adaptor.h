// An adaptor applied to a network's scores that models the bias towards the newest samples. Wang et
// al., "CBA", ICCV 2023.
#pragma once

#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/nn/layers.h"

namespace patina {

/// g(z) = z + relu(z V + a) Uᵀ + b for scores z [B,K], with H hidden units. U and b start at zero
/// for new classes, so that g is the identity there.
class BiasAdaptor {
 public:
  void grow(int64_t fresh, int64_t hidden, Random random, const Place& place = {});
  Tensor operator()(const Tensor& scores) const;
  /// dL/dz from dL/dg at scores z, both [B,K], differentiable by the adaptor's parameters.
  Tensor pulled_back(const Tensor& scores, const Tensor& gradient) const;
  /// The parameters that require gradients, always in the same order.
  std::vector<Tensor> tensors() const { return {in_, hidden_bias_, out_, out_bias_}; }
  void state(Archive& a);

 private:
  Tensor hidden(const Tensor& scores) const;  // before the ReLU: [B,H]

  Tensor in_, hidden_bias_, out_, out_bias_;  // V [K,H], a [H], U [K,H], b [K]
};

}  // namespace patina

// An adaptor behind a network's scores, which takes up what the newest samples bias them by. Wang
// et al., "CBA", ICCV 2023.
#pragma once

#include <vector>

#include "patina/checkpoint/archive.h"
#include "patina/nn/layers.h"

namespace patina {

/// g(z) = z + relu(z V + a) Uᵀ + b of scores z [B,K], with H hidden units; fresh classes begin with
/// U and b at zero, so that they change nothing.
class BiasAdaptor {
 public:
  void grow(int64_t fresh, int64_t hidden, Random random);
  Tensor operator()(const Tensor& scores) const;
  /// dL/dz of dL/dg at scores z, both [B,K], as a function of the adaptor.
  Tensor pulled_back(const Tensor& scores, const Tensor& gradient) const;
  /// What takes gradients, always in the same order.
  std::vector<Tensor> tensors() const { return {in_, hidden_bias_, out_, out_bias_}; }
  void state(Archive& a);

 private:
  Tensor hidden(const Tensor& scores) const;  // before the ReLU: [B,H]

  Tensor in_, hidden_bias_, out_, out_bias_;  // V [K,H], a [H], U [K,H], b [K]
};

}  // namespace patina

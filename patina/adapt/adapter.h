// Adapters: a small bottleneck at each block. Parallel to the MLP as in AdaptFormer (Chen et al.,
// NeurIPS 2022), which APER and RanPAC use; after the MLP (Houlsby et al., ICML 2019); or parallel
// to attention as in LAE (Gao et al., ICCV 2023).
#pragma once

#include <fmt/format.h>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/nn/adaptation.h"
#include "patina/nn/layers.h"

namespace patina::adapt {

/// Defaults: AdaptFormer-64.
struct AdapterOptions {
  int64_t bottleneck = 64;
  double scale = 0.1;
  std::string placement = "parallel";
  std::string activation = "relu";
  bool learned_scale = false;   // multiplies s by a learned factor per block, initially 1
  std::vector<int64_t> layers;  // the blocks with an adapter; empty: all
  double dropout = 0.1;         // of the hidden units, while the adapter is trained

  void bind(Fields& f);
};

/// Adds s up(act(down(z))) in every block: to the MLP's output, with z the MLP's input x (parallel)
/// or its output (sequential), or to attention's output, with z what attention reads (attention).
/// `up` is initialised to zero, so a new adapter is the identity. In a training step
/// (nn::Dropping) an adapter that requires gradients drops part of act's outputs, as the code of
/// every method with AdaptFormer's adapters does.
class Adapter : public nn::Adaptation {
 public:
  Adapter(const AdapterOptions& options, int64_t width, int64_t depth, Random& random);

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override { return site == site_; }
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override {
    return fmt::format("adapter scale={} placement={} activation={}", options_.scale,
                       options_.placement, options_.activation);
  }
  /// The weight [D,r] of a block's `up`; undefined if the block has no adapter.
  const Tensor& up(int64_t layer) const { return bottlenecks_.at(size_t(layer)).up.weight; }

 private:
  struct Bottleneck {
    nn::Linear down, up;  // undefined in blocks without an adapter
    Tensor factor;        // [1], if the scale is learned
    void walk(nn::Walk& w);
  };
  AdapterOptions options_;
  nn::Site site_;
  nn::Activation activation_;
  std::vector<Bottleneck> bottlenecks_;  // one per block
};

}  // namespace patina::adapt

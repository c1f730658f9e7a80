// Adapters: a small bottleneck beside each block's MLP. AdaptFormer (Chen et al., NeurIPS 2022), as
// APER and RanPAC use it, or behind the MLP (Houlsby et al., ICML 2019), or beside attention, as in
// LAE (Gao et al., ICCV 2023).
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
  bool learned_scale = false;   // s is times a factor a block that is learned, at first 1
  std::vector<int64_t> layers;  // the blocks that have one; empty: all

  void bind(Fields& f);
};

/// In every block, to what the MLP adds to the residual stream x: + s up(act(down(z))), where z is
/// x (parallel) or the MLP's own output (sequential); or to what attention adds, where z is what
/// attention reads (attention). `up` begins at zero, so a fresh adapter is the identity.
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
  /// The weight [D,r] of a block's `up`; undefined where the block has no adapter.
  const Tensor& up(int64_t layer) const { return bottlenecks_.at(size_t(layer)).up.weight; }

 private:
  struct Bottleneck {
    nn::Linear down, up;  // undefined in blocks without an adapter
    Tensor factor;        // [1], where the scale is learned
    void walk(nn::Walk& w);
  };
  AdapterOptions options_;
  nn::Site site_;
  nn::Activation activation_;
  std::vector<Bottleneck> bottlenecks_;  // one a block
};

}  // namespace patina::adapt

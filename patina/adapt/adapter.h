// Adapters: a small bottleneck beside each block's MLP. AdaptFormer (Chen et al., NeurIPS 2022), as
// APER and RanPAC use it, or behind the MLP (Houlsby et al., ICML 2019).
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

  void bind(Fields& f);
};

/// In every block, to what the MLP adds to the residual stream x: + s up(relu(down(z))), where z is
/// x (parallel) or the MLP's own output (sequential). `up` begins at zero, so a fresh adapter is
/// the identity.
class Adapter : public nn::Adaptation {
 public:
  Adapter(const AdapterOptions& options, int64_t width, int64_t depth, Random& random);

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override { return site == nn::Site::mlp; }
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override {
    return fmt::format("adapter scale={} parallel={}", scale_, parallel_);
  }

 private:
  struct Bottleneck {
    nn::Linear down, up;
    void walk(nn::Walk& w);
  };
  double scale_;
  bool parallel_;
  std::vector<Bottleneck> bottlenecks_;  // one a block
};

}  // namespace patina::adapt

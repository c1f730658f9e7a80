// Experts beside the MLP: every sample takes the sum of a few bottlenecks, which a router chooses
// by one of its tokens. MoE-Adapters (Yu et al., "Boosting Continual Learning of Vision-Language
// Models via Mixture-of-Experts Adapters", CVPR 2024).
#pragma once

#include <vector>

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/nn/adaptation.h"
#include "patina/nn/layers.h"

namespace patina::adapt {

/// Defaults: the authors' values.
struct ExpertOptions {
  int64_t experts = 22;
  int64_t chosen = 2;
  int64_t bottleneck = 64;
  double scale = 0.1;
  double dropout = 0.1;  // of the hidden units, in a training step

  void bind(Fields& f);
};

/// The experts and routers of all blocks of one tower. `up` and the routers begin at zero, so new
/// experts add nothing.
struct ExpertAdapters {
  struct Expert {
    nn::Linear down, up;
    void walk(nn::Walk& w);
  };
  struct Block {
    std::vector<Expert> experts;
    Tensor gate, noise;  // [D,E]
    void walk(nn::Walk& w);
  };

  ExpertAdapters(const ExpertOptions& options, int64_t width, int64_t depth, Random& random);
  void walk(nn::Walk& w) { w("blocks", blocks); }

  ExpertOptions options;
  std::vector<Block> blocks;
};

/// The experts in one pass, in which every sample chooses for itself: of
///   h = x W_g + ε ⊙ (softplus(x W_n) + 0.01),
/// with x the token that the tower's features are read from (an image's first, a text's end), the
/// k largest are weighted by their softmax, and Σ w_e s up_e(relu(down_e(z))) is added to what the
/// MLP adds, z being the residual stream. ε ~ N(0,1) in a training step, otherwise 0. For one pass
/// and one thread; the end of a text is its largest id, as in CLIP.
class RoutedExperts : public nn::Adaptation {
 public:
  /// `experts` and `noise` are lent; null: no training step.
  explicit RoutedExperts(const ExpertAdapters& experts, Random* noise = nullptr);

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override {
    return site == nn::Site::embed || site == nn::Site::mlp;
  }
  void walk(nn::Walk& w) override;
  /// How many samples of the pass chose each expert of each block: [L,E] int64 on the host.
  const Tensor& counts() const { return counts_; }

 private:
  Tensor weights(const Tensor& in, int layer);  // [B,E]

  const ExpertAdapters& experts_;
  Random* noise_;
  Tensor end_;  // [B] of texts; undefined: images
  Tensor counts_;
};

}  // namespace patina::adapt

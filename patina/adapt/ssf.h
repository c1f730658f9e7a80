// SSF (Lian et al., "Scaling and Shifting Your Features", NeurIPS 2022): a learned factor and
// offset per channel after every operation of the network.
#pragma once

#include "patina/base/random.h"
#include "patina/config/fields.h"
#include "patina/nn/adaptation.h"
#include "patina/nn/block.h"

namespace patina::adapt {

/// Defaults: the paper's initialisation, gamma ~ N(1, d²) and beta ~ N(0, d²).
struct ScaleShiftOptions {
  double deviation = 0.02;

  void bind(Fields& f);
};

/// gamma * out + beta after the embedding, after norm1, qkv, attention, norm2, fc1 and fc2 of every
/// block, and after the final norm. For images, "embedding" means the patches without positions and
/// class token, as in the authors' code; for texts, the tokens that enter the first block.
class ScaleShift : public nn::Adaptation {
 public:
  ScaleShift(const ScaleShiftOptions& options, const nn::BlockShape& shape, int64_t depth,
             Random& random);

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  void walk(nn::Walk& w) override;
  std::optional<std::string> text() const override { return "ssf of patches"; }

 private:
  struct Channels {
    Tensor gamma, beta;  // [width of the site]
    void walk(nn::Walk& w);
  };
  struct BlockChannels {
    Channels norm1, qkv, attention, norm2, fc1, fc2;
    void walk(nn::Walk& w);
  };
  // nullptr: the site does not change
  const Channels* find(nn::Site site, int layer, bool image) const;

  Channels embed_, norm_;
  std::vector<BlockChannels> blocks_;
};

}  // namespace patina::adapt

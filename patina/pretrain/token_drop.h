// PatchDropout (Liu et al., WACV 2023): a training step sees a part of the patches, and takes that
// part of the time.
#pragma once

#include "patina/base/random.h"
#include "patina/nn/adaptation.h"

namespace patina {

/// Keeps the class token and a random part of the patches, the same for the whole batch; drawn anew
/// at each pass.
class TokenDrop : public nn::Adaptation {
 public:
  TokenDrop(double keep, Random random) : keep_(keep), random_(random) {}
  Tensor tokens(int layer, Tensor x) override;

 private:
  double keep_;
  Random random_;
};

}  // namespace patina

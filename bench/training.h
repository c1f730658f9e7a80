// Steps that train an adaptation and a linear head on a frozen network, or the whole network.
#pragma once

#include "bench/networks.h"
#include "patina/nn/heads.h"
#include "patina/optim/optimizer.h"

namespace patina::bench {

enum class Adapting {
  prefix,   // 20 keys and values in each of the first five blocks
  adapter,  // a bottleneck of 64 in every block
  network,  // none: all weights are trained
};
std::string text(Adapting adapting);  // "prefix prompts"

/// How a step computes.
struct Way {
  std::shared_ptr<const nn::Engine> engine;
  bool autocast = false;
};
Way eager_fp32();
Way autocast_bf16();
Way packed(nn::Precision precision);

class Training {
 public:
  /// The network is lent; every step sets its engine and freezes or unfreezes it. Trainings of the
  /// same kind start from the same weights.
  Training(ViT& vit, Adapting adapting, Way way);

  /// Forward, cross-entropy, backward and SGD, always on the same random batch; returns the loss
  /// before the step.
  double step(const Tensor& images);

 private:
  Tensor features(const Tensor& images) const;

  ViT& vit_;
  Adapting adapting_;
  Way way_;
  std::unique_ptr<nn::Adaptation> adaptation_;  // null if the network is trained
  nn::LinearHead head_;
  std::optional<Optimizer> optimizer_;
};

}  // namespace patina::bench

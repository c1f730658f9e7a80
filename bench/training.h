// Training of an adaptation and a linear head on a frozen network, or of all, one step at a time.
#pragma once

#include "bench/networks.h"
#include "patina/nn/heads.h"
#include "patina/optim/optimizer.h"

namespace patina::bench {

enum class Adapting {
  prefix,   // 20 keys and values in each of the first five blocks
  adapter,  // a bottleneck of 64 in every block
  network,  // none: all weights learn
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
  /// The network is lent, set to the way's engine and frozen or not at every step. Trainings of one
  /// kind begin alike.
  Training(ViT& vit, Adapting adapting, Way way);

  /// Forward, cross-entropy, backward, SGD on the same random batch each time; the loss before.
  double step(const Tensor& images);

 private:
  Tensor features(const Tensor& images) const;

  ViT& vit_;
  Adapting adapting_;
  Way way_;
  std::unique_ptr<nn::Adaptation> adaptation_;  // null where the network learns
  nn::LinearHead head_;
  std::optional<Optimizer> optimizer_;
};

}  // namespace patina::bench

// Context: learned vectors in the place of a sentence's first words. CoOp (Zhou et al., "Learning
// to Prompt for Vision-Language Models", IJCV 2022).
#pragma once

#include "patina/base/random.h"
#include "patina/nn/adaptation.h"

namespace patina::adapt {

/// M vectors in the place of the embeddings of tokens 1 to M of every text, the same for all texts.
/// Positions stay. They begin as CoOp's: N(0, 0.02²).
class Context : public nn::Adaptation {
 public:
  /// `words` [V,D] is the tower's token embedding, lent, whose rows enter the residual stream
  /// unscaled.
  Context(int64_t length, Tensor words, Random& random);

  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override { return site == nn::Site::embed; }
  void walk(nn::Walk& w) override { w("vectors", vectors_); }
  std::optional<std::string> text() const override { return "context"; }
  const Tensor& vectors() const { return vectors_; }  // [M,D]

 private:
  Tensor words_, vectors_;
};

}  // namespace patina::adapt

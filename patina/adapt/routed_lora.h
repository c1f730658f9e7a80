// Several LoRAs of which every text, or every token, takes its own part: y = W x + s B (w ⊙ A x),
// with the factors A and B of all LoRAs side by side.
#pragma once

#include <vector>

#include "patina/adapt/lora.h"

namespace patina::adapt {

/// What the routings share. The LoRAs are lent and have the same options, so that they change the
/// same layers with the same rank and scale.
class RoutedLora : public nn::Adaptation {
 public:
  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override { return loras_.front()->acts(site); }

 protected:
  explicit RoutedLora(std::vector<const Lora*> loras);
  int64_t loras() const { return int64_t(loras_.size()); }

 private:
  /// w ⊙ z of z = A x, the first LoRA's rows first: [B,T,n r] -> [B,T,n r].
  virtual Tensor weighted(const Tensor& z) const = 0;

  std::vector<const Lora*> loras_;
};

/// Each sample has a weight for each LoRA. Made for one batch, and its continuation.
class MixedLora : public RoutedLora {
 public:
  /// `weights` [B,1,n] of the samples or, of rows with several texts, [B,T,n] of their tokens;
  /// gradients reach them.
  MixedLora(std::vector<const Lora*> loras, Tensor weights)
      : RoutedLora(std::move(loras)), weights_(std::move(weights)) {}
  const Tensor& weights() const { return weights_; }

 private:
  Tensor weighted(const Tensor& z) const override;

  Tensor weights_;
};

/// Each token chooses among all rows of A, its keys, by their products with it: ẑ = z / ‖z‖; the k
/// largest ẑ have the weights softmax(ẑ / temperature), all others 0, and so have those of the k
/// below `threshold`, after the softmax. If there are fewer than k keys, all are chosen.
class Atoms : public RoutedLora {
 public:
  struct Routing {
    int64_t k = 8;
    double temperature = 0.03;
    double threshold = -2;  // below -1: none
  };
  Atoms(std::vector<const Lora*> loras, Routing routing)
      : RoutedLora(std::move(loras)), routing_(routing) {}

 private:
  Tensor weighted(const Tensor& z) const override;

  Routing routing_;
};

/// MoRAM's routing as options of a method. Its threshold is for predictions alone: while a task is
/// learned there is none, since an atom that no token is near yet could never learn.
struct AtomOptions {
  int64_t k = 8;
  double temperature = 0.03;
  double threshold = 0.2;

  void bind(Fields& f);
  /// The atoms of LoRAs; nothing without one.
  nn::Adaptations of(const std::vector<const Lora*>& loras, bool learning) const;
};

}  // namespace patina::adapt

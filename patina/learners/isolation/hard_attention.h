// Hard attention to the task: for every task a mask over the units of some layers, and which units
// earlier tasks use. Serra et al., "Overcoming Catastrophic Forgetting with Hard Attention to the
// Task", ICML 2018.
#pragma once

#include <vector>

#include "patina/base/random.h"
#include "patina/checkpoint/archive.h"
#include "patina/learn/step.h"

namespace patina {

class HardAttention {
 public:
  /// For layers of so many units; `steepness` is the scale of the masks in use (s_max).
  HardAttention(std::vector<int64_t> units, double steepness, const at::TensorOptions& options);

  /// Begins the masks of a new task, whose embeddings are drawn from N(0, 1); the others are
  /// frozen.
  void begin_task(Random random);
  /// Adds the newest task's masks to what is in use.
  void end_task();
  int64_t tasks() const { return int64_t(embeddings_.size() / used_.size()); }

  /// The scale of a step, which rises from 1/s_max to s_max within every epoch (equation 3).
  double scale(const Step& step) const;
  /// σ(s e) of the newest task, one per layer, [units].
  std::vector<Tensor> training(double scale) const;
  /// The masks of a task in use, without a graph.
  std::vector<Tensor> of_task(int64_t task) const;
  /// Σ m (1 - used) / Σ (1 - used): the part of the free units that is taken (equation 5).
  Tensor taken(const std::vector<Tensor>& masks) const;

  /// How much earlier tasks use the units of a layer, from 0 to 1: [units].
  const Tensor& used(size_t layer) const { return used_[layer]; }
  /// How free a weight [out,in] is to change: 1 - min(used[out], used[in]) (equation 2); and,
  /// without a masked layer below it, or a bias: 1 - used[out], [out,1] or [out].
  Tensor freedom(size_t out, size_t in) const;
  Tensor freedom_of_rows(size_t out, int64_t dimensions) const;
  /// Scales the embeddings' gradients so that annealing does not make them small (equation 6).
  void compensate(const Step& step);
  /// Keeps embeddings where their gradients do not vanish. To be called after every step.
  void clamp();

  /// The embeddings that are trained.
  std::vector<Tensor> trained() const;
  void state(Archive& a);

 private:
  const Tensor& newest(size_t layer) const {
    return embeddings_[embeddings_.size() - used_.size() + layer];
  }

  double steepness_;
  std::vector<Tensor> used_;        // per layer
  std::vector<Tensor> embeddings_;  // per task and layer, [units]
};

}  // namespace patina

// Fisher information: how much a loss depends on each weight. Diagonal and empirical: squared
// gradients at the samples' own labels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "patina/learn/trainer.h"
#include "patina/nn/merging.h"

namespace patina {

/// Defaults: the definition.
struct FisherOptions {
  std::string granularity = "sample";
  double clip = 0;

  void bind(Fields& f);
};

/// For each tensor of `weights`, which take gradients, the mean through the test feed of what `add`
/// adds to a sum for a gradient d loss / d weight: over samples, each alone, or over batches of 128
/// in random order. `loss` is of the batch it is given. Leaves no gradients behind.
Weights mean_of_gradients(const std::vector<nn::NamedTensor>& weights, const Dataset& data,
                          Trainer& trainer, Random random, bool by_batch, const std::string& label,
                          const std::function<Tensor(const Batch&)>& loss,
                          const std::function<void(const Tensor& sum, const Tensor& g)>& add);

/// For each tensor of `weights`, which take gradients, the mean of (d loss / d weight)², through
/// the test feed: over samples, each alone, or over batches of 128 in random order, where gradients
/// average before they are squared (some hundredth of the work, and smaller the larger the batch).
/// `loss` is the mean over the batch it is given. Leaves no gradients behind.
Weights diagonal_fisher(const FisherOptions& options, const std::vector<nn::NamedTensor>& weights,
                        const Dataset& data, Trainer& trainer, Random random,
                        const std::function<Tensor(const Batch&)>& loss);

}  // namespace patina

// Fisher information: how much a loss depends on each weight. Diagonal and empirical: squared
// gradients at the samples' true labels.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "patina/learn/trainer.h"
#include "patina/nn/merging.h"

namespace patina {

/// Defaults follow the definition: samples are taken one by one.
struct FisherOptions {
  std::string granularity = "sample";
  double clip = 0;

  void bind(Fields& f);
};

/// For each tensor of `weights`, which require gradients: the mean, with the test transform, of
/// what `add` computes from a gradient d loss / d weight, over single samples or over batches of
/// 128 in random order. `loss` is called with each batch. Clears the gradients afterwards.
Weights mean_of_gradients(const std::vector<nn::NamedTensor>& weights, const Dataset& data,
                          Trainer& trainer, Random random, bool by_batch, const std::string& label,
                          const std::function<Tensor(const Batch&)>& loss,
                          const std::function<void(const Tensor& sum, const Tensor& g)>& add);

/// For each tensor of `weights`, which require gradients: the mean of (d loss / d weight)², with
/// the test transform, over single samples, or over batches of 128 in random order, where gradients
/// are averaged before they are squared (about a hundredth of the work; values shrink with the
/// batch size). `loss` is the mean over the batch it is given. Clears the gradients afterwards.
Weights diagonal_fisher(const FisherOptions& options, const std::vector<nn::NamedTensor>& weights,
                        const Dataset& data, Trainer& trainer, Random random,
                        const std::function<Tensor(const Batch&)>& loss);

}  // namespace patina

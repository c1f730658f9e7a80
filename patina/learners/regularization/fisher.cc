#include "patina/learners/regularization/fisher.h"

#include "patina/nn/batch_norm.h"
#include "patina/ops.h"

namespace patina {

namespace {

Dataset shuffled(const Dataset& data, Random random) {
  return data.select(random.permutation(data.size()));
}

}  // namespace

void FisherOptions::bind(Fields& f) {
  f("granularity", granularity,
    "What gradients are averaged over before they are squared: nothing, or batches of 128 samples.",
    {"sample", "batch"});
  f("clip", clip, "Largest information of a weight; 0: no limit.", at_least(0));
}

Weights mean_of_gradients(const std::vector<nn::NamedTensor>& weights, const Dataset& data,
                          Trainer& trainer, Random random, bool by_batch, const std::string& label,
                          const std::function<Tensor(const Batch&)>& loss,
                          const std::function<void(const Tensor& sum, const Tensor& g)>& add) {
  Weights sums;
  std::vector<Tensor> leaves, moved;  // `moved`: the leaves that require a gradient
  for (const auto& item : weights) {
    sums.push_back(at::zeros_like(item.tensor.detach()));
    leaves.push_back(item.tensor);
    leaves.back().mutable_grad() = Tensor();
    if (item.tensor.requires_grad()) moved.push_back(item.tensor);
  }
  const nn::FixedStatistics fixed;
  int64_t terms = 0;
  const auto add_gradients = [&](const Batch& batch) {
    {
      const at::AutoGradMode gradients(true);
      loss(batch).backward({}, {}, false, moved);
    }
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (leaves[i].grad().defined()) add(sums[i], leaves[i].grad());
      leaves[i].mutable_grad() = Tensor();
    }
    ++terms;
  };
  trainer.each_batch(shuffled(data, random), label, [&](const Batch& batch) {
    if (by_batch) return add_gradients(batch);
    for (int64_t i = 0; i < batch.size(); ++i) add_gradients(batch.slice(i, i + 1));
  });
  for (auto& tensor : sums) tensor.div_(double(terms));
  return sums;
}

Weights diagonal_fisher(const FisherOptions& options, const std::vector<nn::NamedTensor>& weights,
                        const Dataset& data, Trainer& trainer, Random random,
                        const std::function<Tensor(const Batch&)>& loss) {
  Weights fisher = mean_of_gradients(
      weights, data, trainer, random, options.granularity == "batch", "Fisher information", loss,
      [](const Tensor& sum, const Tensor& g) { sum.addcmul_(g, g); });
  if (options.clip > 0)
    for (auto& tensor : fisher) tensor.clamp_max_(options.clip);
  return fisher;
}

}  // namespace patina

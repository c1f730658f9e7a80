#include "patina/learn/fisher.h"

#include "patina/ops.h"

namespace patina {

namespace {

Dataset shuffled(const Dataset& data, Random random) {
  std::vector<int64_t> positions, targets;
  for (const int64_t i : random.permutation(data.size())) {
    positions.push_back(data.position(i));
    targets.push_back(data.target(i));
  }
  return {data.source(), std::move(positions), std::move(targets)};
}

}  // namespace

void FisherOptions::bind(Fields& f) {
  f("granularity", granularity,
    "What gradients are averaged over before they are squared: nothing, or batches of 128 samples.",
    {"sample", "batch"});
  f("clip", clip, "Largest information of a weight; 0: no limit.", at_least(0));
}

Weights diagonal_fisher(const FisherOptions& options, const std::vector<nn::NamedTensor>& weights,
                        const Dataset& data, Trainer& trainer, Random random,
                        const std::function<Tensor(const Batch&)>& loss) {
  Weights fisher;
  std::vector<Tensor> leaves;
  for (const auto& item : weights) {
    fisher.push_back(at::zeros_like(item.tensor.detach()));
    leaves.push_back(item.tensor);
    leaves.back().mutable_grad() = Tensor();
  }
  int64_t terms = 0;
  const auto add = [&](const Batch& batch) {
    {
      const at::AutoGradMode gradients(true);
      loss(batch).backward({}, c10::nullopt, false, leaves);
    }
    for (size_t i = 0; i < leaves.size(); ++i) {
      if (leaves[i].grad().defined()) fisher[i].add_(leaves[i].grad().square());
      leaves[i].mutable_grad() = Tensor();
    }
    ++terms;
  };
  trainer.each_batch(shuffled(data, random), "Fisher information", [&](const Batch& batch) {
    if (options.granularity == "batch") return add(batch);
    for (int64_t i = 0; i < batch.size(); ++i) add(batch.slice(i, i + 1));
  });
  for (auto& tensor : fisher) {
    tensor.div_(double(terms));
    if (options.clip > 0) tensor.clamp_max_(options.clip);
  }
  return fisher;
}

}  // namespace patina

#include "patina/learners/representation/alignment.h"

#include "patina/algebra/prototypes.h"
#include "patina/base/progress.h"
#include "patina/ops.h"

namespace patina {

void AlignmentOptions::bind(Fields& f) {
  f("epochs", epochs, "Passes over drawn features after each task but the first; 0: none.",
    at_least(0));
  f("samples", samples, "Features drawn of each class an epoch, and of a batch.", at_least(1));
  f("lr", lr, "Learning rate at the start of a cosine over the epochs.", above(0));
  f("momentum", momentum, "Momentum.", {.low = 0, .high = 1, .high_open = true});
  f("weight_decay", weight_decay, "L2 penalty.", at_least(0));
  f("shrinkage", shrinkage, "Added to the diagonal of each class's covariance.", above(0));
}

void add_gaussians(Gaussians& gaussians, const FeatureSet& set, const std::vector<int64_t>& classes,
                   double shrinkage) {
  NoGrad no_grad;
  for (const int64_t c : classes) {
    const auto [mean, covariance] = moments(rows_of_class(set, c));
    gaussians.add(mean, covariance + shrinkage * at::eye(covariance.size(0), covariance.options()));
  }
}

std::vector<double> drift_scales(std::span<const int64_t> sizes) {
  std::vector<double> scales;
  for (size_t t = 0; t < sizes.size(); ++t)
    scales.insert(scales.end(), size_t(sizes[t]), 0.9 + 0.1 * double(t + 1) / double(sizes.size()));
  return scales;
}

Tensor shifted(const Tensor& mean, const Tensor& before, const Tensor& after, double width) {
  NoGrad no_grad;
  const Tensor distance = (before - mean).square().sum(1);  // [N], squared
  const Tensor weight = (distance / (-2 * width * width)).exp() + 1e-5;
  return mean + at::matmul(weight, after - before) / weight.sum();
}

Tensor normalized_by_task(const Tensor& scores, std::span<const int64_t> sizes,
                          double temperature) {
  std::vector<Tensor> norms;
  int64_t first = 0;
  for (const int64_t size : sizes) {
    const Tensor slice = scores.slice(1, first, first + size);
    norms.push_back(at::linalg_vector_norm(slice, 2, at::IntArrayRef{1}, /*keepdim=*/true) + 1e-7);
    first += size;
  }
  return scores / (temperature * at::cat(norms, 1).mean(1, /*keepdim=*/true));
}

void align(const AlignmentOptions& options, const Gaussians& gaussians,
           std::span<const double> scales, std::vector<ParamGroup> trained, Random random,
           const std::function<Tensor(const Tensor& features, const Tensor& targets)>& loss) {
  OptimizerOptions how{.lr = options.lr,
                       .momentum = options.momentum,
                       .weight_decay = options.weight_decay,
                       .schedule = "cosine"};
  Optimizer optimizer(how, std::move(trained));
  const int64_t classes = gaussians.classes(), n = options.samples;
  const std::vector<int64_t> counts(size_t(classes), n);
  const Tensor beside = gaussians.mean(0);
  const Tensor targets =
      at::arange(classes, beside.options().dtype(at::kLong)).repeat_interleave(n);
  Progress progress("aligning the heads", options.epochs * classes, "classes");
  for (int64_t epoch = 0; epoch < options.epochs; ++epoch) {
    const double lr = learning_rate(how, double(epoch), options.epochs);
    const Tensor drawn = gaussians.sample(counts, random, scales);
    const Tensor order = tensor_of(random.permutation(classes * n), beside.device());
    for (int64_t c = 0; c < classes; ++c) {
      const Tensor rows = order.slice(0, c * n, (c + 1) * n);
      optimizer.zero_grad();
      loss(drawn.index_select(0, rows), targets.index_select(0, rows)).backward();
      optimizer.step(lr);
      progress.advance(1);
    }
  }
}

}  // namespace patina

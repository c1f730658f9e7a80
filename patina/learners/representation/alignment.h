// Classifier alignment: heads are trained again on features sampled from the Gaussians of all
// classes seen, so that classes of different tasks compete. Zhang et al., "SLCA", ICCV 2023,
// section 4.3; also in CoFiMA, SSIAT, MOS and TUNA.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "patina/algebra/gaussians.h"
#include "patina/config/fields.h"
#include "patina/learn/trainer.h"

namespace patina {

/// Defaults: SLCA's.
struct AlignmentOptions {
  int64_t epochs = 5;
  int64_t samples = 256;
  double lr = 0.01;
  double momentum = 0.9;
  double weight_decay = 5e-4;
  double shrinkage = 1e-4;

  void bind(Fields& f);
};

/// Adds a Gaussian for each of `classes`, in order: the mean of its rows, and their covariance +
/// shrinkage I.
void add_gaussians(Gaussians& gaussians, const FeatureSet& set, const std::vector<int64_t>& classes,
                   double shrinkage);

/// SLCA's factors for class means, which compensate for feature drift: 0.9 + 0.1 (t(c) + 1) / T for
/// class c of task t(c) of T. `sizes`: classes per task. Returns one factor per class.
std::vector<double> drift_scales(std::span<const int64_t> sizes);

/// The drifted mean of an earlier class after training on a task, estimated from the task's samples
/// `before` and `after` [N,D]: the mean plus the weighted mean of their shifts, with w_i =
/// exp(-|before_i - mean|² / (2 width²)) + 1e-5. mean [D] -> [D]. Tan et al., "SSIAT", CVPR 2024,
/// equations 9 and 10.
Tensor shifted(const Tensor& mean, const Tensor& before, const Tensor& after, double width);

/// Scores divided by τ times the mean norm of the tasks' slices; gradients flow through the norms
/// (SLCA, equation 7). scores [B,K], sizes [T] -> [B,K].
Tensor normalized_by_task(const Tensor& scores, std::span<const int64_t> sizes, double temperature);

/// Minimises loss(features [B,D], targets [B]) on sampled features: every epoch draws `samples` of
/// each class, shuffled, in batches of `samples`; SGD with a cosine schedule over the epochs.
/// `scales`: one factor per class mean, or empty. Only `trained` changes; it must require
/// gradients.
void align(const AlignmentOptions& options, const Gaussians& gaussians,
           std::span<const double> scales, std::vector<ParamGroup> trained, Random random,
           const std::function<Tensor(const Tensor& features, const Tensor& targets)>& loss);

}  // namespace patina

// Classifier alignment: heads are trained once more, on features drawn from every seen class's
// Gaussian, so that classes of different tasks compete. Zhang et al., "SLCA", ICCV 2023, section
// 4.3; CoFiMA, SSIAT, MOS and TUNA align likewise.
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

/// Adds the Gaussians of `classes`, in their order: the mean of each one's rows and their
/// covariance + shrinkage I.
void add_gaussians(Gaussians& gaussians, const FeatureSet& set, const std::vector<int64_t>& classes,
                   double shrinkage);

/// How means of classes are scaled where features drift from task to task: class c of task t(c) of
/// T by 0.9 + 0.1 (t(c) + 1) / T. `sizes`: classes of each task. One factor a class.
std::vector<double> drift_scales(std::span<const int64_t> sizes);

/// Where the mean of an earlier class moved while the network learned a task, judged by the task's
/// own samples `before` and `after` [N,D]: the mean of their shifts, those near it weighing more,
/// w_i = exp(-|before_i - mean|² / (2 width²)) + 1e-5. mean [D] -> [D]. Tan et al., "SSIAT", CVPR
/// 2024, equations 9 and 10.
Tensor shifted(const Tensor& mean, const Tensor& before, const Tensor& after, double width);

/// Scores over τ times the mean of the norms of each task's slice, through which gradients flow
/// (SLCA, equation 7). scores [B,K], sizes [T] -> [B,K].
Tensor normalized_by_task(const Tensor& scores, std::span<const int64_t> sizes, double temperature);

/// Descends loss(features [B,D], targets [B]) on drawn features: in every epoch `samples` of each
/// class, shuffled, in batches of `samples`; SGD with a cosine over the epochs. `scales` one factor
/// for each class's mean, or none. Only `trained` moves; it must take gradients.
void align(const AlignmentOptions& options, const Gaussians& gaussians,
           std::span<const double> scales, std::vector<ParamGroup> trained, Random random,
           const std::function<Tensor(const Tensor& features, const Tensor& targets)>& loss);

}  // namespace patina

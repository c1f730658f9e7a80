// The prototype rule: a class is the mean of its samples' features.
#pragma once

#include <vector>

#include "patina/tensor.h"

namespace patina {

/// The features of some samples and their targets.
struct FeatureSet {
  Tensor features;  // [N,D]
  Tensor targets;   // [N]
};

/// The features of one class: [n,D].
Tensor rows_of_class(const FeatureSet& set, int64_t c);

/// Mean features of `classes`, in their order: [K,D].
Tensor class_means(const FeatureSet& set, const std::vector<int64_t>& classes);

/// What prototypes `missing` [m,D] would be in another feature space, judged by `known` [n,D] and
/// their counterparts there, `there` [n,E]: softmax over rows of cos(missing, known), times
/// `there`. [m,E]. Zhou et al., "EASE", CVPR 2024, equations 8 and 9.
Tensor complemented(const Tensor& missing, const Tensor& known, const Tensor& there);

/// Prototypes that grow with the classes: what was there, `means` under it.
Tensor with_rows(const Tensor& prototypes, const Tensor& means);

/// The same without row `i`.
Tensor without_row(const Tensor& rows, int64_t i);

}  // namespace patina

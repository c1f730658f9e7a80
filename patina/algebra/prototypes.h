// Prototypes: each class is represented by the mean of its samples' features.
#pragma once

#include <vector>

#include "patina/tensor.h"

namespace patina {

/// Features of samples, and their targets.
struct FeatureSet {
  Tensor features;  // [N,D]
  Tensor targets;   // [N]
};

/// The features of one class: [n,D].
Tensor rows_of_class(const FeatureSet& set, int64_t c);

/// Mean features of `classes`, in the order given: [K,D].
Tensor class_means(const FeatureSet& set, const std::vector<int64_t>& classes);

/// Means of classes, and the number of samples each is of.
struct CountedMeans {
  Tensor means;                 // [K,D]; undefined: no classes
  std::vector<int64_t> counts;  // [K]

  int64_t size() const { return means.defined() ? means.size(0) : 0; }

  void add(const Tensor& mean, int64_t count);  // of a new class, [D]
  void remove(int64_t c);
  /// Throws Error(state) unless the samples of all `classes` are counted. Files of earlier versions
  /// lack the counts.
  void check_counted(int64_t classes) const;
  /// Adds the means of other samples: each class's mean becomes that of both samples. The other's
  /// class c has the number `numbers[c]` among `classes` here.
  void merge(const CountedMeans& other, const std::vector<int64_t>& numbers, int64_t classes);
};

/// Estimates prototypes `missing` [m,D] in another feature space from prototypes `known` [n,D] and
/// their counterparts `there` [n,E] in that space: softmax over rows of cos(missing, known), times
/// `there`. [m,E]. Zhou et al., "EASE", CVPR 2024, equations 8 and 9.
Tensor complemented(const Tensor& missing, const Tensor& known, const Tensor& there);

/// `prototypes` with the rows `means` appended.
Tensor with_rows(const Tensor& prototypes, const Tensor& means);

/// `rows` without row `i`.
Tensor without_row(const Tensor& rows, int64_t i);

}  // namespace patina

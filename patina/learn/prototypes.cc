#include "patina/learn/prototypes.h"

#include "patina/nn/heads.h"
#include "patina/ops.h"

namespace patina {

Tensor rows_of_class(const FeatureSet& set, int64_t c) {
  return set.features.index_select(0, (set.targets == c).nonzero().squeeze(1));
}

Tensor class_means(const FeatureSet& set, const std::vector<int64_t>& classes) {
  NoGrad no_grad;
  std::vector<Tensor> rows;
  for (const int64_t c : classes) rows.push_back(rows_of_class(set, c).mean(0));
  return at::stack(rows);
}

Tensor complemented(const Tensor& missing, const Tensor& known, const Tensor& there) {
  NoGrad no_grad;
  return at::matmul(at::softmax(nn::cosine_scores(missing, known), 1), there);
}

Tensor with_rows(const Tensor& prototypes, const Tensor& means) {
  return prototypes.defined() ? at::cat({prototypes, means}) : means;
}

}  // namespace patina

#include "patina/algebra/prototypes.h"

#include "patina/algebra/cosine.h"
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
  return at::matmul(at::softmax(cosine_scores(missing, known), 1), there);
}

Tensor with_rows(const Tensor& prototypes, const Tensor& means) {
  return prototypes.defined() ? at::cat({prototypes, means}) : means;
}

Tensor without_row(const Tensor& rows, int64_t i) {
  return at::cat({rows.slice(0, 0, i), rows.slice(0, i + 1)});
}

}  // namespace patina

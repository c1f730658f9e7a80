#include "patina/algebra/prototypes.h"

#include "patina/algebra/cosine.h"
#include "patina/base/error.h"
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

void CountedMeans::add(const Tensor& mean, int64_t count) {
  means = with_rows(means, mean.unsqueeze(0));
  counts.push_back(count);
}

void CountedMeans::remove(int64_t c) {
  if (int64_t(counts.size()) == size())
    counts.erase(counts.begin() + c);
  else
    counts.clear();
  means = without_row(means, c);
}

void CountedMeans::check_counted(int64_t classes) const {
  if (int64_t(counts.size()) != classes || size() != classes)
    fail(ErrorKind::state,
         "an earlier version did not save how many samples the mean of a class is of, so means "
         "cannot be merged: learn the samples again");
}

void CountedMeans::merge(const CountedMeans& other, const std::vector<int64_t>& numbers,
                         int64_t classes) {
  NoGrad no_grad;
  check_counted(size());
  other.check_counted(other.size());
  const auto options = other.means.options();
  Tensor sums = at::zeros({classes, other.means.size(1)}, options.dtype(at::kDouble));
  const auto summed = [&](const CountedMeans& one) {
    return one.means.to(at::kDouble) *
           tensor_of(one.counts, options.device()).to(at::kDouble).unsqueeze(1);
  };
  if (means.defined()) sums.slice(0, 0, means.size(0)).copy_(summed(*this));
  sums.index_add_(0, tensor_of(numbers, options.device()), summed(other));
  counts.resize(size_t(classes));
  for (size_t c = 0; c < numbers.size(); ++c) counts[size_t(numbers[c])] += other.counts[c];
  const Tensor divisor = tensor_of(counts, options.device()).to(at::kDouble).unsqueeze(1);
  means = (sums / divisor.clamp_min(1)).to(options.dtype());
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

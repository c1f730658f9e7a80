#include "patina/learners/regularization/anchor.h"

#include "patina/ops.h"

namespace patina {

void Anchor::pull(const std::vector<nn::NamedTensor>& tensors, double strength) const {
  NoGrad no_grad;
  for (size_t i = 0; i < place.size(); ++i) {
    const Tensor& tensor = tensors[i].tensor;
    const int64_t rows = place[i].size(0);
    if (!tensor.grad().defined()) tensor.mutable_grad() = at::zeros_like(tensor.detach());
    tensor.mutable_grad()
        .slice(0, 0, rows)
        .addcmul_(importance[i], tensor.detach().slice(0, 0, rows) - place[i], strength);
  }
}

void Anchor::hold(const std::vector<nn::NamedTensor>& tensors, double strength) const {
  NoGrad no_grad;
  for (size_t i = 0; i < place.size(); ++i) {
    Tensor held = tensors[i].tensor.detach().slice(0, 0, place[i].size(0));
    const Tensor part = importance[i] * strength / (importance[i] * strength + 1);
    held.add_((place[i] - held) * part);
  }
}

void PathGain::restart(const Weights& tensors) {
  sum.clear();
  for (const auto& tensor : tensors) sum.push_back(at::zeros_like(tensor));
}

void PathGain::before_step(const std::vector<nn::NamedTensor>& tensors) {
  gradients_.clear();
  for (const auto& item : tensors)
    gradients_.push_back(item.tensor.grad().defined() ? item.tensor.grad().clone() : Tensor());
  before_ = copied(tensors);
}

void PathGain::after_step(const std::vector<nn::NamedTensor>& tensors) {
  NoGrad no_grad;
  const Weights now = weights_of(tensors);
  for (size_t i = 0; i < now.size(); ++i)
    if (gradients_[i].defined()) sum[i].addcmul_(gradients_[i], before_[i] - now[i]);
  gradients_.clear();
  before_.clear();
}

Anchor joined(const Anchor& a, const Anchor& b) {
  if (a.empty()) return b;
  Anchor both{.importance = added(a.importance, b.importance), .place = {}};
  for (size_t i = 0; i < b.place.size(); ++i) {
    Tensor place = b.place[i].clone();
    const int64_t rows = a.place[i].size(0);
    const Tensor sum = both.importance[i].slice(0, 0, rows);
    const Tensor share = at::where(sum > 0, a.importance[i] / sum, at::zeros_like(sum));
    place.slice(0, 0, rows).add_((a.place[i] - b.place[i].slice(0, 0, rows)) * share);
    both.place.push_back(place);
  }
  return both;
}

Weights added(const Weights& a, const Weights& b) {
  Weights sum = b;
  for (size_t i = 0; i < a.size(); ++i) {
    sum[i] = b[i].clone();
    sum[i].slice(0, 0, a[i].size(0)).add_(a[i]);
  }
  return sum;
}

}  // namespace patina

#include "patina/learn/network/anchor.h"

#include "patina/ops.h"

namespace patina {

void Anchor::pull(const std::vector<Tensor>& tensors, double strength) const {
  NoGrad no_grad;
  for (size_t i = 0; i < place.size(); ++i) {
    const int64_t rows = place[i].size(0);
    if (!tensors[i].grad().defined())
      tensors[i].mutable_grad() = at::zeros_like(tensors[i].detach());
    tensors[i]
        .mutable_grad()
        .slice(0, 0, rows)
        .addcmul_(importance[i], tensors[i].detach().slice(0, 0, rows) - place[i], strength);
  }
}

void Anchor::hold(const std::vector<Tensor>& tensors, double strength) const {
  NoGrad no_grad;
  for (size_t i = 0; i < place.size(); ++i) {
    Tensor held = tensors[i].detach().slice(0, 0, place[i].size(0));
    const Tensor part = importance[i] * strength / (importance[i] * strength + 1);
    held.add_((place[i] - held) * part);
  }
}

double Anchor::energy(const std::vector<Tensor>& tensors) const {
  double sum = 0;
  for (size_t i = 0; i < place.size(); ++i) {
    const Tensor moved = tensors[i].detach().slice(0, 0, place[i].size(0)) - place[i];
    sum += (importance[i] * moved.square()).sum().item<double>();
  }
  return sum / 2;
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

#include "patina/optim/gradients.h"

#include <cmath>

#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

std::vector<Tensor> tensors_of(const std::vector<ParamGroup>& groups) {
  std::vector<Tensor> all;
  for (const auto& group : groups)
    all.insert(all.end(), group.tensors.begin(), group.tensors.end());
  return all;
}

Tensor flat_gradients(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> parts;
  for (const auto& tensor : tensors)
    parts.push_back(tensor.grad().defined() ? tensor.grad().flatten()
                                            : at::zeros({tensor.numel()}, tensor.options()));
  return at::cat(parts);
}

void set_gradients(const std::vector<Tensor>& tensors, const Tensor& flat) {
  int64_t at = 0;
  for (const auto& tensor : tensors) {
    tensor.mutable_grad() = flat.slice(0, at, at + tensor.numel()).view_as(tensor).clone();
    at += tensor.numel();
  }
}

Tensor gradients_of(const Tensor& loss, const std::vector<Tensor>& tensors) {
  std::vector<Tensor> held;
  for (const auto& tensor : tensors) {
    held.push_back(tensor.grad());
    tensor.mutable_grad() = Tensor();
  }
  loss.backward();
  Tensor flat = flat_gradients(tensors);
  for (size_t i = 0; i < tensors.size(); ++i) tensors[i].mutable_grad() = held[i];
  return flat;
}

Tensor solve_bounded(const Tensor& p, const Tensor& q, double margin) {
  constexpr double kTolerance = 1e-10;
  constexpr int kRounds = 100000;
  const int64_t n = q.size(0);
  const Tensor dense = on_host(p).to(at::kDouble).contiguous();
  const Tensor linear = on_host(q).to(at::kDouble).contiguous();
  const double* rows = dense.data_ptr<double>();
  std::vector<double> v(size_t(n), margin);
  std::vector<double> slope(linear.data_ptr<double>(), linear.data_ptr<double>() + n);  // Pv + q
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) slope[size_t(i)] += rows[i * n + j] * margin;
  double scale = 1;
  for (const double s : slope) scale = std::max(scale, std::abs(s));
  for (int round = 0; round < kRounds; ++round) {
    double wrong = 0;
    for (int64_t i = 0; i < n; ++i) {
      double& x = v[size_t(i)];
      const double s = slope[size_t(i)];
      wrong = std::max(wrong, x > margin ? std::abs(s) : std::max(0.0, -s));
      const double next = std::max(margin, x - s / rows[i * n + i]);
      const double step = next - std::exchange(x, next);
      if (step == 0) continue;
      for (int64_t j = 0; j < n; ++j) slope[size_t(j)] += rows[j * n + i] * step;
    }
    if (wrong <= kTolerance * scale) break;
  }
  return at::from_blob(v.data(), {n}, at::kDouble).clone().to(q.device());
}

Tensor project_gem(const Tensor& g, const Tensor& past, double margin) {
  const Tensor rows = past.to(at::kDouble), now = g.to(at::kDouble);
  const Tensor agreement = rows.mv(now);
  if (agreement.min().item<double>() >= 0) return g;
  const Tensor p = rows.mm(rows.t()) + at::eye(rows.size(0), rows.options()) * 1e-3;
  const Tensor v = solve_bounded(p, agreement, margin);
  return (now + rows.t().mv(v)).to(g.scalar_type());
}

Tensor project_agem(const Tensor& g, const Tensor& past) {
  const double dot = g.dot(past).item<double>();
  if (dot >= 0) return g;
  return g - past * (dot / past.dot(past).item<double>());
}

}  // namespace patina

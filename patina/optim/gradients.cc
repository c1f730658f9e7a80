#include "patina/optim/gradients.h"

#include <algorithm>
#include <vector>

#include "patina/algebra/linear_algebra.h"
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

namespace {

[[noreturn]] void fail_to_project() {
  fail(ErrorKind::model,
       "the gradients of earlier tasks are too large for a projection: lower training.lr or set "
       "training.clip_norm");
}

// Minimises ½ wᵀPw + cᵀw for the entries in `free`, with the others at zero: P_ff w_f = -c_f.
Tensor minimum_of(const Tensor& p, const Tensor& c, const std::vector<int64_t>& free) {
  const Tensor at = tensor_of(free);
  const Tensor part = p.index_select(0, at).index_select(1, at);
  const Tensor wanted = -c.index_select(0, at).unsqueeze(1);
  const auto inverse = Cholesky::of(part, 0);
  if (!inverse) fail_to_project();
  Tensor found = (*inverse)(wanted);
  found = found + (*inverse)(wanted - part.mm(found));  // iterative refinement
  return at::zeros_like(c).index_copy_(0, at, found.squeeze(1));
}

}  // namespace

// Lawson and Hanson's active sets (1974), for w = v - margin >= 0.
Tensor solve_bounded(const Tensor& p, const Tensor& q, double margin) {
  constexpr double kTolerance = 1e-10, kAllowed = 1e-8;
  const int64_t n = q.size(0);
  const Tensor dense = on_host(p).to(at::kDouble), linear = on_host(q).to(at::kDouble);
  const Tensor c = linear + dense.sum(1) * margin;
  const double scale = std::max(1.0, c.abs().max().item<double>());
  Tensor w = at::zeros_like(c);
  std::vector<int64_t> free;
  for (int64_t round = 0; round < 10 * n + 10; ++round) {
    // Frees the entry along which the value falls fastest.
    Tensor gradient = dense.mv(w) + c;
    if (!free.empty()) gradient.index_fill_(0, tensor_of(free), 0);
    if (gradient.min().item<double>() >= -kTolerance * scale) break;
    free.push_back(gradient.argmin().item<int64_t>());
    // Goes to the minimum over the free entries, and stops at every bound on the way.
    Tensor next = minimum_of(dense, c, free);
    while (true) {
      double part = 1;
      int64_t first = -1;
      for (const int64_t i : free) {
        const double from = w[i].item<double>(), to = next[i].item<double>();
        const double bound = from > to ? from / (from - to) : 0;
        if (to > 0 || bound >= part) continue;
        part = bound;
        first = i;
      }
      if (first < 0) break;
      w = w + (next - w) * part;
      w[first].zero_();
      std::erase_if(free, [&](int64_t i) { return w[i].item<double>() <= 0; });
      next = free.empty() ? at::zeros_like(c) : minimum_of(dense, c, free);
    }
    w = next;
  }
  // At a bound the value may rise only, elsewhere it must be level.
  const Tensor gradient = dense.mv(w) + c;
  const Tensor wrong = at::where(w > 0, at::abs(gradient), (-gradient).clamp_min(0));
  if (wrong.max().item<double>() > kAllowed * scale) fail_to_project();
  return (w + margin).to(q.device());
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

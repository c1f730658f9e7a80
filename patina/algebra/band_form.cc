#include "patina/algebra/band_form.h"

#include "patina/algebra/linear_algebra.h"
#include "patina/ops.h"

namespace patina {

namespace {

// Half the bandwidth: the smallest number of columns for which matrix products run at full speed.
constexpr int64_t kBlock = 128;

// The last m rows of b, where m is the number of rows of v.
Tensor end_rows(const Tensor& b, const Tensor& v) {
  return b.slice(0, b.size(0) - v.size(0));
}

Tensor left_solve(const Tensor& lower, const Tensor& b) {
  return at::linalg_solve_triangular(lower, b, /*upper=*/false);
}

}  // namespace

BandForm::BandForm(const Tensor& s) {
  NoGrad no_grad;
  const Tensor a = s.clone(at::MemoryFormat::Contiguous);
  const int64_t n = a.size(0);
  for (int64_t first = 0; first < n; first += kBlock) {
    const int64_t next = std::min(n, first + kBlock);
    const Tensor columns = a.slice(1, first, next), panel = columns.slice(0, next);
    diagonal_.push_back(mirrored(columns.slice(0, first, next)));
    if (next == n) break;
    if (n - next > kBlock) {
      reflections_.push_back(annihilate(panel));
      const auto& [v, t] = reflections_.back();
      // Qᵀ A Q = A - V Wᵀ - W Vᵀ with X = A V T and W = X - V (Tᵀ Vᵀ X) / 2.
      const Tensor rest = a.slice(0, next).slice(1, next);
      const Tensor x = at::matmul(symmetric_times(rest, v), t);
      const Tensor w = x - at::matmul(v, at::matmul(t.t(), at::matmul(v.t(), x))) / 2;
      add_lower_product(rest, at::cat({v, w}, 1).neg_(), at::cat({w, v}, 1));
    }
    below_.push_back(panel.slice(0, 0, kBlock).clone());
  }
}

// The reflections that reduce panel [m,b], m > b, to an upper triangle, which is written to its
// first rows. T = (I + diag(τ) triu(VᵀV, 1))⁻¹ diag(τ).
BandForm::Reflections BandForm::annihilate(const Tensor& panel) {
  const auto [packed, tau] = panel.geqrf();
  const int64_t columns = panel.size(1);
  panel.slice(0, 0, columns).copy_(packed.slice(0, 0, columns).triu());
  const Tensor v = packed.tril(-1).contiguous();
  v.diagonal().fill_(1);
  const Tensor overlaps = at::matmul(v.t(), v).triu(1) * tau.unsqueeze(1);
  return {v, at::linalg_solve_triangular(overlaps, tau.diag(), /*upper=*/true, /*left=*/true,
                                         /*unit_diagonal=*/true)};
}

Tensor BandForm::into(const Tensor& b) const {
  NoGrad no_grad;
  Tensor rotated = b.clone();
  for (const auto& [v, t] : reflections_) {
    Tensor rows = end_rows(rotated, v);
    rows.addmm_(v, at::matmul(t.t(), at::matmul(v.t(), rows)), 1, -1);
  }
  return rotated;
}

Tensor BandForm::across(const Tensor& c) const {
  NoGrad no_grad;
  Tensor rotated = c.clone();
  for (const auto& [v, t] : reflections_) {
    Tensor columns = end_rows(rotated.t(), v).t();
    columns.addmm_(at::matmul(at::matmul(columns, v), t), v.t(), 1, -1);
  }
  return rotated;
}

// Block Cholesky of the band, B + λI = L Lᵀ, with blocks L_i on the diagonal and E_i below them,
// together with L⁻¹ b; then L⁻ᵀ from the last block up.
std::optional<Tensor> BandForm::solve(double shift, const Tensor& b) const {
  NoGrad no_grad;
  const std::vector<Tensor> parts = b.split(kBlock, 0);
  std::vector<Tensor> factors, edges, x;
  for (size_t i = 0; i < diagonal_.size(); ++i) {
    Tensor block = diagonal_[i].clone(), part = parts[i];
    block.diagonal().add_(shift);
    if (i > 0) {
      edges.push_back(left_solve(factors.back(), below_[i - 1].t()).t());
      block.addmm_(edges.back(), edges.back().t(), 1, -1);
      part = part - at::matmul(edges.back(), x.back());
    }
    const auto [factor, info] = at::linalg_cholesky_ex(block);
    if (info.item<int>() != 0) return {};
    factors.push_back(factor);
    x.push_back(left_solve(factor, part));
  }
  for (size_t i = x.size(); i-- > 0;) {
    if (i + 1 < x.size()) x[i] -= at::matmul(edges[i].t(), x[i + 1]);
    x[i] = at::linalg_solve_triangular(factors[i].t(), x[i], /*upper=*/true);
  }
  return at::cat(x);
}

}  // namespace patina

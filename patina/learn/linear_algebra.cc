#include "patina/learn/linear_algebra.h"

#include "patina/ops.h"

namespace patina {

namespace {

// Columns multiplied at a time: as doubles the rows of one square stay in the cache, and they take
// little memory beside the result. Measured fastest with the smallest square below.
constexpr int64_t kPanel = 512;

// Below this a square is computed whole: splitting further costs more than its upper half.
constexpr int64_t kSmallestSquare = 256;

template <class Body>
void each_panel(int64_t size, const Body& body) {
  for (int64_t first = 0; first < size; first += kPanel)
    body(first, std::min(size, first + kPanel));
}

// The lower triangle halves into two triangles and a square.
void add_lower(const Tensor& sum, const Tensor& a) {
  const int64_t n = a.size(0);
  if (n <= kSmallestSquare) {
    Tensor(sum).addmm_(a, a.t());
    return;
  }
  const int64_t half = n / 2;
  const Tensor top = a.slice(0, 0, half), bottom = a.slice(0, half);
  const Tensor below = sum.slice(0, half);
  add_lower(sum.slice(0, 0, half).slice(1, 0, half), top);
  below.slice(1, 0, half).addmm_(bottom, top.t());
  add_lower(below.slice(1, half), bottom);
}

}  // namespace

void add_lower_product(const Tensor& sum, const Tensor& a) {
  each_panel(a.size(1), [&](int64_t first, int64_t end) {
    add_lower(sum, a.slice(1, first, end).to(at::kDouble));
  });
}

void add_product(const Tensor& sum, const Tensor& a, const Tensor& b) {
  each_panel(a.size(1), [&](int64_t first, int64_t end) {
    Tensor(sum).addmm_(a.slice(1, first, end).to(at::kDouble),
                       b.slice(1, first, end).to(at::kDouble).t());
  });
}

Tensor mirrored(const Tensor& lower) {
  return lower.tril() + lower.tril(-1).t();
}

Tensor symmetric_product(const Tensor& a) {
  const Tensor sum = at::zeros({a.size(0), a.size(0)}, at::kDouble);
  add_lower_product(sum, a);
  return mirrored(sum);
}

ShiftedInverse::ShiftedInverse(const Tensor& s, double shift) {
  Tensor shifted = s.clone();
  shifted.diagonal().add_(shift);
  const auto [factor, info] = at::linalg_cholesky_ex(shifted);
  if (info.item<int>() == 0) {
    factor_ = factor;
    return;
  }
  const auto [values, vectors] = at::linalg_eigh(s);
  vectors_ = vectors;
  reciprocal_ = (values.clamp_min(0) + shift).reciprocal().unsqueeze(1);
}

Tensor ShiftedInverse::operator()(const Tensor& b) const {
  if (!factor_.defined()) return at::matmul(vectors_, at::matmul(vectors_.t(), b) * reciprocal_);
  const Tensor half = at::linalg_solve_triangular(factor_, b, /*upper=*/false);
  return at::linalg_solve_triangular(factor_.t(), half, /*upper=*/true);
}

}  // namespace patina

#include "patina/algebra/linear_algebra.h"

#include <algorithm>
#include <cmath>

#include "patina/algebra/cosine.h"
#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

namespace {

// Columns converted and multiplied at a time: few enough to stay in the cache as doubles. The value
// for triangles was tuned by measurement, together with the smallest square below.
constexpr int64_t kTrianglePanel = 512, kProductPanel = 128;

// Smaller squares are computed whole: splitting them costs more than their upper half.
constexpr int64_t kSmallestSquare = 256;

// Calls body(first columns of a and b, in the sum's type) for panel after panel.
template <class Body>
void each_panel(const Tensor& sum, const Tensor& a, const Tensor& b, int64_t panel,
                const Body& body) {
  const at::ScalarType type = sum.scalar_type();
  const int64_t size = a.size(1);
  const bool converts = a.scalar_type() != type || b.scalar_type() != type;
  const int64_t width = converts ? panel : std::max<int64_t>(1, size);
  for (int64_t first = 0; first < size; first += width) {
    const int64_t end = std::min(size, first + width);
    const Tensor left = a.slice(1, first, end).to(type);
    body(left, b.is_same(a) ? left : b.slice(1, first, end).to(type));
  }
}

// Splits the lower triangle into two triangles and a square.
void add_lower(const Tensor& sum, const Tensor& a, const Tensor& b) {
  const int64_t n = a.size(0);
  if (n <= kSmallestSquare) {
    Tensor(sum).addmm_(a, b.t());
    return;
  }
  const int64_t half = n / 2;
  const Tensor top = b.slice(0, 0, half), bottom = a.slice(0, half);
  const Tensor below = sum.slice(0, half);
  add_lower(sum.slice(0, 0, half).slice(1, 0, half), a.slice(0, 0, half), top);
  below.slice(1, 0, half).addmm_(bottom, top.t());
  add_lower(below.slice(1, half), bottom, b.slice(0, half));
}

// product += S b.
void add_symmetric_times(const Tensor& product, const Tensor& lower, const Tensor& b) {
  const int64_t n = b.size(0);
  if (n <= kSmallestSquare) {
    Tensor(product).addmm_(mirrored(lower), b);
    return;
  }
  const int64_t half = n / 2;
  const Tensor top = b.slice(0, 0, half), bottom = b.slice(0, half);
  const Tensor below = lower.slice(0, half), square = below.slice(1, 0, half);
  add_symmetric_times(product.slice(0, 0, half), lower.slice(0, 0, half).slice(1, 0, half), top);
  product.slice(0, 0, half).addmm_(square.t(), bottom);
  product.slice(0, half).addmm_(square, top);
  add_symmetric_times(product.slice(0, half), below.slice(1, half), bottom);
}

}  // namespace

void add_lower_product(const Tensor& sum, const Tensor& a, const Tensor& b) {
  each_panel(sum, a, b, kTrianglePanel,
             [&](const Tensor& left, const Tensor& right) { add_lower(sum, left, right); });
}

void add_product(const Tensor& sum, const Tensor& a, const Tensor& b) {
  each_panel(sum, a, b, kProductPanel,
             [&](const Tensor& left, const Tensor& right) { Tensor(sum).addmm_(left, right.t()); });
}

Tensor symmetric_times(const Tensor& lower, const Tensor& b) {
  Tensor product = at::zeros_like(b);
  add_symmetric_times(product, lower, b);
  return product;
}

Tensor mirrored(const Tensor& lower) {
  return lower.t().clone(at::MemoryFormat::Contiguous).triu_(1).add_(lower.tril());
}

Tensor symmetric_product(const Tensor& a, at::ScalarType type) {
  const Tensor sum = at::zeros({a.size(0), a.size(0)}, a.options().dtype(type));
  add_lower_product(sum, a);
  return mirrored(sum);
}

Tensor packed_lower(const Tensor& lower) {
  if (!lower.defined()) return lower;
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < lower.size(0); ++i) rows.push_back(lower[i].slice(0, 0, i + 1));
  return at::cat(rows);
}

Tensor unpacked_lower(const Tensor& packed) {
  if (!packed.defined()) return packed;
  const int64_t n = int64_t(std::sqrt(2.0 * double(packed.numel())));
  if (packed.dim() != 1 || n == 0 || n * (n + 1) / 2 != packed.numel())
    fail(ErrorKind::state, "no triangle has {} values: the state is damaged", packed.numel());
  Tensor lower = at::zeros({n, n}, packed.options());
  for (int64_t i = 0, first = 0; i < n; first += ++i)
    lower[i].slice(0, 0, i + 1).copy_(packed.slice(0, first, first + i + 1));
  return lower;
}

Tensor orthogonal_rows(int64_t count, int64_t width, const Tensor& earlier, Random& random) {
  NoGrad no_grad;
  Tensor basis = at::empty({0, width}, at::kDouble);
  // Adds the part of the unit vector x orthogonal to the basis, normalised; nothing if it is
  // rounding error.
  const auto extend = [&](const Tensor& x) {
    Tensor rest = x;
    for (int pass = 0; pass < 2; ++pass)  // twice, to remove rounding errors
      rest = rest - at::matmul(at::matmul(basis, rest), basis);
    const double length = at::linalg_vector_norm(rest).item<double>();
    if (length < 1e-6) return false;
    basis = at::cat({basis, (rest / length).unsqueeze(0)});
    return true;
  };
  const auto unit = [](const Tensor& x) { return x / at::linalg_vector_norm(x).clamp_min(1e-12); };
  for (int64_t i = 0; earlier.defined() && i < earlier.size(0); ++i)
    extend(unit(on_host(earlier[i].detach()).to(at::kDouble)));
  std::vector<Tensor> rows;
  Tensor draw = at::empty({width});
  while (int64_t(rows.size()) < count) {
    random.fill_normal(host_values(draw));
    const Tensor x = unit(draw.to(at::kDouble));
    if (extend(x))
      rows.push_back(basis[-1]);
    else if (basis.size(0) == width)
      rows.push_back(x);
  }
  return at::stack(rows).to(at::kFloat);
}

std::optional<Cholesky> Cholesky::of(const Tensor& s, double shift) {
  Tensor shifted = s.clone();
  shifted.diagonal().add_(shift);
  const auto [factor, info] = at::linalg_cholesky_ex(shifted);
  if (info.item<int>() != 0) return {};
  return Cholesky(factor);
}

// From the eigenvectors of the smaller of wᵀw and w wᵀ.
Tensor right_singular_rows(const Tensor& w, int64_t count) {
  NoGrad no_grad;
  const Tensor wide = w.to(at::kDouble);
  const bool tall = wide.size(0) >= wide.size(1);
  const auto [squares, vectors] =
      at::linalg_eigh(tall ? at::matmul(wide.t(), wide) : at::matmul(wide, wide.t()));
  const int64_t found = std::min(count, squares.size(0));
  const Tensor first = vectors.t().slice(0, squares.size(0) - found).flip({0});
  Tensor rows = normalized(tall ? first : at::matmul(first, wide));
  const Tensor largest = rows.gather(1, rows.abs().argmax(1, /*keepdim=*/true));
  rows = rows * at::where(largest < 0, -at::ones_like(largest), at::ones_like(largest));
  if (found == count) return rows;
  return at::cat({rows, at::zeros({count - found, rows.size(1)}, rows.options())});
}

Tensor Cholesky::operator()(const Tensor& b) const {
  const Tensor half = at::linalg_solve_triangular(factor_, b, /*upper=*/false);
  return at::linalg_solve_triangular(factor_.t(), half, /*upper=*/true);
}

ShiftedInverse::ShiftedInverse(const Tensor& s, double shift) : cholesky_(Cholesky::of(s, shift)) {
  if (cholesky_) return;
  const auto [values, vectors] = at::linalg_eigh(s);
  vectors_ = vectors;
  reciprocal_ = (values.clamp_min(0) + shift).reciprocal().unsqueeze(1);
}

Tensor ShiftedInverse::operator()(const Tensor& b) const {
  if (cholesky_) return (*cholesky_)(b);
  return at::matmul(vectors_, at::matmul(vectors_.t(), b) * reciprocal_);
}

}  // namespace patina

#include "patina/ops.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/all.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cosine_similarity.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/lerp.h>
#include <ATen/ops/linalg_cholesky.h>
#include <ATen/ops/linalg_cholesky_ex.h>
#include <ATen/ops/linalg_eigh.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_solve.h>
#include <ATen/ops/linalg_solve_triangular.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/log.h>
#include <ATen/ops/log_softmax.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/nll_loss.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/rsqrt.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tanh.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#if __has_include(<ATen/ops/scaled_dot_product_attention.h>)
#include <ATen/ops/scaled_dot_product_attention.h>
#endif

#include <cmath>

namespace patina::at {

Tensor arange(const Scalar& end, TensorOptions options) {
  return ::at::arange(end, options);
}
Tensor arange(const Scalar& start, const Scalar& end, TensorOptions options) {
  return ::at::arange(start, end, options);
}
Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step, TensorOptions options) {
  return ::at::arange(start, end, step, options);
}
Tensor empty(IntArrayRef shape, TensorOptions options) {
  return ::at::empty(shape, options);
}
Tensor empty_like(const Tensor& x) {
  return ::at::empty_like(x);
}
Tensor eye(int64_t n, TensorOptions options) {
  return ::at::eye(n, options);
}
Tensor from_blob(void* data, IntArrayRef shape, TensorOptions options) {
  return ::at::from_blob(data, shape, options);
}
Tensor full(IntArrayRef shape, const Scalar& value, TensorOptions options) {
  return ::at::full(shape, value, options);
}
Tensor full_like(const Tensor& x, const Scalar& value) {
  return ::at::full_like(x, value);
}
Tensor ones(IntArrayRef shape, TensorOptions options) {
  return ::at::ones(shape, options);
}
Tensor ones_like(const Tensor& x) {
  return ::at::ones_like(x);
}
Tensor zeros(IntArrayRef shape, TensorOptions options) {
  return ::at::zeros(shape, options);
}
Tensor zeros_like(const Tensor& x) {
  return ::at::zeros_like(x);
}

Tensor abs(const Tensor& x) {
  return ::at::abs(x);
}
Tensor clamp(const Tensor& x, const Scalar& low) {
  return ::at::clamp(x, low);
}
Tensor clamp(const Tensor& x, const Scalar& low, const Scalar& high) {
  return ::at::clamp(x, low, high);
}
Tensor exp(const Tensor& x) {
  return ::at::exp(x);
}
Tensor gelu(const Tensor& x, const char* approximate) {
  return ::at::gelu(x, approximate);
}
Tensor lerp(const Tensor& from, const Tensor& to, const Scalar& weight) {
  return ::at::lerp(from, to, weight);
}
Tensor lerp(const Tensor& from, const Tensor& to, const Tensor& weight) {
  return ::at::lerp(from, to, weight);
}
Tensor log(const Tensor& x) {
  return ::at::log(x);
}
Tensor maximum(const Tensor& a, const Tensor& b) {
  return ::at::maximum(a, b);
}
Tensor relu(const Tensor& x) {
  return ::at::relu(x);
}
Tensor rsqrt(const Tensor& x) {
  return ::at::rsqrt(x);
}
Tensor sigmoid(const Tensor& x) {
  return ::at::sigmoid(x);
}
Tensor silu(const Tensor& x) {
  return ::at::silu(x);
}
Tensor tanh(const Tensor& x) {
  return ::at::tanh(x);
}
Tensor where(const Tensor& condition, const Tensor& yes, const Tensor& no) {
  return ::at::where(condition, yes, no);
}
Tensor where(const Tensor& condition, const Scalar& yes, const Scalar& no) {
  return ::at::where(condition, yes, no);
}

Tensor all(const Tensor& x) {
  return ::at::all(x);
}
Tensor argmax(const Tensor& x, int64_t dim, bool keepdim) {
  return ::at::argmax(x, dim, keepdim);
}
Tensor bincount(const Tensor& x, const Tensor& weights, int64_t least) {
  return ::at::bincount(x, weights, least);
}
Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t dim, double eps) {
  return ::at::cosine_similarity(a, b, dim, eps);
}
Tensor linalg_vector_norm(const Tensor& x, const Scalar& order, std::optional<IntArrayRef> dim,
                          bool keepdim) {
  if (!dim) return ::at::linalg_vector_norm(x, order);
  return ::at::linalg_vector_norm(x, order, *dim, keepdim);
}
Tensor log_softmax(const Tensor& x, int64_t dim, Type type) {
  return type ? ::at::log_softmax(x, dim, *type) : ::at::log_softmax(x, dim);
}
Tensor logsumexp(const Tensor& x, IntArrayRef dim, bool keepdim) {
  return ::at::logsumexp(x, dim, keepdim);
}
Tensor fused_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias,
                       double scale) {
#if __has_include(<ATen/ops/scaled_dot_product_attention.h>)
  const double factor = scale * std::sqrt(double(q.size(-1)));  // that LibTorch does not divide by
  return ::at::scaled_dot_product_attention(
      std::abs(factor - 1) < 1e-6 ? q : q * factor, k, v,
      bias.defined() ? std::optional<Tensor>(bias) : std::nullopt, /*dropout_p=*/0,
      /*is_causal=*/false);
#else
  Tensor scores = ::at::matmul(q * scale, k.transpose(-2, -1));
  if (bias.defined()) scores = scores + bias;
  return ::at::matmul(::at::softmax(scores, -1), v);
#endif
}
Tensor softmax(const Tensor& x, int64_t dim, Type type) {
  return type ? ::at::softmax(x, dim, *type) : ::at::softmax(x, dim);
}
std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim, bool descending) {
  return ::at::sort(x, dim, descending);
}
std::tuple<Tensor, Tensor> sort(const Tensor& x, bool stable, int64_t dim, bool descending) {
  return ::at::sort(x, stable, dim, descending);
}
std::tuple<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t dim) {
  return ::at::topk(x, k, dim);
}

Tensor cat(TensorList parts, int64_t dim) {
  return ::at::cat(parts, dim);
}
Tensor constant_pad_nd(const Tensor& x, IntArrayRef pad, const Scalar& value) {
  return ::at::constant_pad_nd(x, pad, value);
}
Tensor embedding(const Tensor& weight, const Tensor& ids) {
  return ::at::embedding(weight, ids);
}
bool equal(const Tensor& a, const Tensor& b) {
  return ::at::equal(a, b);
}
Tensor one_hot(const Tensor& x, int64_t classes) {
  return ::at::one_hot(x, classes);
}
Tensor stack(TensorList parts, int64_t dim) {
  return ::at::stack(parts, dim);
}

Tensor addmm(const Tensor& add, const Tensor& a, const Tensor& b) {
  return ::at::addmm(add, a, b);
}
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                  const Tensor& variance, bool training, double momentum, double eps, bool cudnn) {
  return ::at::batch_norm(x, weight, bias, mean, variance, training, momentum, eps, cudnn);
}
Tensor bmm(const Tensor& a, const Tensor& b) {
  return ::at::bmm(a, b);
}
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias, IntArrayRef stride,
              IntArrayRef padding) {
  return ::at::conv2d(x, weight, bias, stride, padding);
}
Tensor layer_norm(const Tensor& x, IntArrayRef shape, const Tensor& weight, const Tensor& bias,
                  double eps) {
  return ::at::layer_norm(x, shape, weight, bias, eps);
}
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return ::at::linear(x, weight, bias);
}
Tensor matmul(const Tensor& a, const Tensor& b) {
  return ::at::matmul(a, b);
}
Tensor mm(const Tensor& a, const Tensor& b) {
  return ::at::mm(a, b);
}
Tensor mse_loss(const Tensor& x, const Tensor& target) {
  return ::at::mse_loss(x, target);
}
Tensor nll_loss(const Tensor& log_p, const Tensor& target) {
  return ::at::nll_loss(log_p, target);
}
Tensor upsample_bicubic2d(const Tensor& x, IntArrayRef size, bool align_corners) {
  return ::at::upsample_bicubic2d(x, size, align_corners);
}
Tensor _upsample_bicubic2d_aa(const Tensor& x, IntArrayRef size, bool align_corners) {
  return ::at::_upsample_bicubic2d_aa(x, size, align_corners);
}

Tensor linalg_cholesky(const Tensor& x) {
  return ::at::linalg_cholesky(x);
}
std::tuple<Tensor, Tensor> linalg_cholesky_ex(const Tensor& x) {
  return ::at::linalg_cholesky_ex(x);
}
std::tuple<Tensor, Tensor> linalg_eigh(const Tensor& x) {
  return ::at::linalg_eigh(x);
}
Tensor linalg_pinv(const Tensor& x, bool hermitian) {
  return ::at::linalg_pinv(x, 1e-15, hermitian);
}
Tensor linalg_solve(const Tensor& a, const Tensor& b) {
  return ::at::linalg_solve(a, b);
}
Tensor linalg_solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left,
                               bool unit_diagonal) {
  return ::at::linalg_solve_triangular(a, b, upper, left, unit_diagonal);
}

}  // namespace patina::at

namespace patina {

// `other` is what a number on the left becomes: the operation with its sides exchanged, where there
// is one, else the number as a tensor.
#define PATINA_OPERATOR(op, method, other)               \
  Tensor operator op(const Tensor& x, const Tensor& y) { \
    return x.method(y);                                  \
  }                                                      \
  Tensor operator op(const Tensor& x, const Scalar& y) { \
    return x.method(y);                                  \
  }                                                      \
  Tensor operator op(const Scalar& x, const Tensor& y) { \
    return other;                                        \
  }
PATINA_OPERATOR(+, add, y.add(x))
PATINA_OPERATOR(*, mul, y.mul(x))
PATINA_OPERATOR(-, sub, at::full_like(y, x).sub_(y))
PATINA_OPERATOR(/, div, at::full_like(y, x).div_(y))
PATINA_OPERATOR(%, remainder, at::full_like(y, x).remainder_(y))
PATINA_OPERATOR(&, bitwise_and, y.bitwise_and(x))
PATINA_OPERATOR(|, bitwise_or, y.bitwise_or(x))
PATINA_OPERATOR(<, lt, y.gt(x))
PATINA_OPERATOR(<=, le, y.ge(x))
PATINA_OPERATOR(>, gt, y.lt(x))
PATINA_OPERATOR(>=, ge, y.le(x))
PATINA_OPERATOR(==, eq, y.eq(x))
PATINA_OPERATOR(!=, ne, y.ne(x))
#undef PATINA_OPERATOR

}  // namespace patina

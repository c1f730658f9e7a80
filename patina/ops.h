// The door to LibTorch's free functions: those that patina uses, declared here and compiled once in
// ops.cc. ATen's own header of any one of them brings all of IValue, a second for every source.
#pragma once

#include <optional>
#include <tuple>

#include "patina/tensor.h"

/// Inside patina, `at::` is this namespace: LibTorch's names, and the functions below in the place
/// of ATen's. Arguments, defaults and results are those of PyTorch's functions of the same name.
namespace patina::at {

using namespace ::at;
using ::at::Tensor;

using Type = std::optional<ScalarType>;  // of the result; nothing: as the input's

// Made from nothing, or in the shape of another.
Tensor arange(const Scalar& end, TensorOptions options = {});
Tensor arange(const Scalar& start, const Scalar& end, TensorOptions options = {});
Tensor arange(const Scalar& start, const Scalar& end, const Scalar& step,
              TensorOptions options = {});
Tensor empty(IntArrayRef shape, TensorOptions options = {});
Tensor empty_like(const Tensor& x);
Tensor eye(int64_t n, TensorOptions options = {});
Tensor from_blob(void* data, IntArrayRef shape, TensorOptions options = {});
Tensor full(IntArrayRef shape, const Scalar& value, TensorOptions options = {});
Tensor full_like(const Tensor& x, const Scalar& value);
Tensor ones(IntArrayRef shape, TensorOptions options = {});
Tensor ones_like(const Tensor& x);
Tensor zeros(IntArrayRef shape, TensorOptions options = {});
Tensor zeros_like(const Tensor& x);

// Element by element.
Tensor abs(const Tensor& x);
Tensor clamp(const Tensor& x, const Scalar& low);
Tensor clamp(const Tensor& x, const Scalar& low, const Scalar& high);
Tensor exp(const Tensor& x);
Tensor gelu(const Tensor& x, const char* approximate = "none");
Tensor lerp(const Tensor& from, const Tensor& to, const Scalar& weight);
Tensor lerp(const Tensor& from, const Tensor& to, const Tensor& weight);
Tensor log(const Tensor& x);
Tensor maximum(const Tensor& a, const Tensor& b);
Tensor relu(const Tensor& x);
Tensor rsqrt(const Tensor& x);
Tensor sigmoid(const Tensor& x);
Tensor silu(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor where(const Tensor& condition, const Tensor& yes, const Tensor& no);
Tensor where(const Tensor& condition, const Scalar& yes, const Scalar& no);

// Over dimensions.
Tensor all(const Tensor& x);
Tensor argmax(const Tensor& x, int64_t dim, bool keepdim = false);
Tensor bincount(const Tensor& x, const Tensor& weights = {}, int64_t least = 0);
Tensor cosine_similarity(const Tensor& a, const Tensor& b, int64_t dim = 1, double eps = 1e-8);
Tensor linalg_vector_norm(const Tensor& x, const Scalar& order = 2,
                          std::optional<IntArrayRef> dim = {}, bool keepdim = false);
Tensor log_softmax(const Tensor& x, int64_t dim, Type type = {});
Tensor logsumexp(const Tensor& x, IntArrayRef dim, bool keepdim = false);
Tensor softmax(const Tensor& x, int64_t dim, Type type = {});
/// softmax(scale q kᵀ + bias) v for q [B,H,T,d], k and v [B,H,S,d], bias broadcast to [B,H,T,S] or
/// undefined: [B,H,T,d]. LibTorch 2 has it fused.
Tensor fused_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& bias,
                       double scale);
std::tuple<Tensor, Tensor> sort(const Tensor& x, int64_t dim = -1, bool descending = false);
std::tuple<Tensor, Tensor> sort(const Tensor& x, bool stable, int64_t dim, bool descending);
std::tuple<Tensor, Tensor> topk(const Tensor& x, int64_t k, int64_t dim = -1);

// Concatenating, gathering, padding.
Tensor cat(TensorList parts, int64_t dim = 0);
Tensor constant_pad_nd(const Tensor& x, IntArrayRef pad, const Scalar& value = 0);
Tensor embedding(const Tensor& weight, const Tensor& ids);
bool equal(const Tensor& a, const Tensor& b);
Tensor one_hot(const Tensor& x, int64_t classes = -1);
Tensor stack(TensorList parts, int64_t dim = 0);

// Products, and what networks are made of.
Tensor addmm(const Tensor& add, const Tensor& a, const Tensor& b);
Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                  const Tensor& variance, bool training, double momentum, double eps, bool cudnn);
Tensor bmm(const Tensor& a, const Tensor& b);
Tensor conv2d(const Tensor& x, const Tensor& weight, const Tensor& bias = {},
              IntArrayRef stride = 1, IntArrayRef padding = 0);
Tensor layer_norm(const Tensor& x, IntArrayRef shape, const Tensor& weight = {},
                  const Tensor& bias = {}, double eps = 1e-5);
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias = {});
Tensor matmul(const Tensor& a, const Tensor& b);
Tensor mm(const Tensor& a, const Tensor& b);
Tensor mse_loss(const Tensor& x, const Tensor& target);
Tensor nll_loss(const Tensor& log_p, const Tensor& target);
Tensor upsample_bicubic2d(const Tensor& x, IntArrayRef size, bool align_corners);
/// The same with the filter as wide as what it reads, where it makes x smaller.
Tensor _upsample_bicubic2d_aa(const Tensor& x, IntArrayRef size,  // NOLINT: its name there
                              bool align_corners);

// Linear algebra.
Tensor linalg_cholesky(const Tensor& x);
std::tuple<Tensor, Tensor> linalg_cholesky_ex(const Tensor& x);
std::tuple<Tensor, Tensor> linalg_eigh(const Tensor& x);
Tensor linalg_pinv(const Tensor& x, bool hermitian);
Tensor linalg_solve(const Tensor& a, const Tensor& b);
Tensor linalg_solve_triangular(const Tensor& a, const Tensor& b, bool upper, bool left = true,
                               bool unit_diagonal = false);

}  // namespace patina::at

namespace patina {

// ATen's operators are in a header as heavy. These are for patina's sources: a header of ours,
// which may be read beside ATen's, uses the functions by name.
#define PATINA_OPERATOR(op)                         \
  Tensor operator op(const Tensor&, const Tensor&); \
  Tensor operator op(const Tensor&, const Scalar&); \
  Tensor operator op(const Scalar&, const Tensor&);
using ::at::Scalar;
PATINA_OPERATOR(+)
PATINA_OPERATOR(-)
PATINA_OPERATOR(*)
PATINA_OPERATOR(/)
PATINA_OPERATOR(%)
PATINA_OPERATOR(&)
PATINA_OPERATOR(|)
PATINA_OPERATOR(<)
PATINA_OPERATOR(<=)
PATINA_OPERATOR(>)
PATINA_OPERATOR(>=)
PATINA_OPERATOR(==)
PATINA_OPERATOR(!=)
#undef PATINA_OPERATOR

}  // namespace patina

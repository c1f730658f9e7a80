// Base of the kernels' tensor operations: nodes of LibTorch's autograd graph with a custom
// backward, and access to rows of either type.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "patina/base/error.h"
#include "patina/kernels/functions.h"
#include "patina/kernels/in_team.h"
#include "patina/kernels/tiles.h"
#include "patina/ops.h"

namespace patina::kernels {

using Tensors = std::vector<Tensor>;

/// The backward of an operation in LibTorch's autograd graph. Holds what the forward pass kept.
class Backward {
 public:
  virtual ~Backward() = default;
  /// Returns the gradients of the inputs, in the order they were given to `record`. `dy` is the
  /// gradient of the output and defined. A gradient that is not needed may stay undefined.
  virtual Tensors gradients(const Tensor& dy) = 0;

 protected:
  /// Whether the gradient of input `i` is needed.
  bool wanted(int i) const;

 private:
  friend class GraphNode;
  const void* graph_ = nullptr;  // the node of LibTorch's graph that owns this object
};

/// Makes `y` the result of an operation on `inputs` with the given backward.
void record(Tensor& y, const Tensors& inputs, std::unique_ptr<Backward> backward);

inline bool takes_gradient(const Tensor& t) {
  return at::GradMode::is_enabled() && t.defined() && t.requires_grad();
}
inline bool needs_graph(std::initializer_list<Tensor> inputs) {
  return std::any_of(inputs.begin(), inputs.end(), takes_gradient);
}

template <class T>
T* data(const Tensor& t) {
  PATINA_REQUIRE(!t.defined() || t.is_cpu(), "a kernel is given a tensor on {}", t.device().str());
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}

template <class T>
inline constexpr at::ScalarType kType = std::is_same_v<T, bf16> ? at::kBFloat16 : at::kFloat;

template <class Work>
void by_type(const Tensor& t, Work&& work) {
  if (t.scalar_type() == at::kBFloat16)
    work.template operator()<bf16>();
  else
    work.template operator()<float>();
}

// The fewest rows per thread. With less work a further thread costs more than it saves.
inline constexpr int64_t kRowsAThread = 64;

inline int64_t rows_of(const Tensor& x) {
  return x.numel() / std::max<int64_t>(1, x.size(-1));
}

inline Tensor empty_like_rows(const Tensor& x, int64_t width, at::ScalarType type) {
  auto shape = x.sizes().vec();
  shape.back() = width;
  return at::empty(shape, type);
}

}  // namespace patina::kernels

// What the kernels' operations on tensors share: nodes of LibTorch's graph with a backward of ours,
// and rows of either type.
#pragma once

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <vector>

#include "patina/kernels/functions.h"
#include "patina/kernels/in_team.h"
#include "patina/kernels/tiles.h"
#include "patina/ops.h"

namespace patina::kernels {

namespace autograd = torch::autograd;

// A node of LibTorch's graph whose backward is ours.
struct Node : public autograd::Node {
  template <class... Inputs>
  void reads(const Inputs&... inputs) {
    set_next_edges(autograd::collect_next_edges(inputs...));
  }
};

// A node as the graph holds it. LibTorch counts its nodes by std::shared_ptr up to some 2.x, then
// by a pointer of its own; only the first has a function for their end, found by its argument.
template <class N>
auto make_node() {
  if constexpr (std::is_same_v<decltype(autograd::Edge::function), std::shared_ptr<autograd::Node>>)
    return std::shared_ptr<N>(new N, [](N* node) { deleteNode(node); });
  else
    return c10::make_intrusive<N>();
}

inline bool takes_gradient(const Tensor& t) {
  return at::GradMode::is_enabled() && t.defined() && t.requires_grad();
}
inline bool needs_graph(std::initializer_list<Tensor> inputs) {
  return std::any_of(inputs.begin(), inputs.end(), takes_gradient);
}

template <class T>
T* data(const Tensor& t) {
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

// That are worth a thread.
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

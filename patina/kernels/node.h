// What the kernels' operations on tensors share: nodes of LibTorch's graph with a backward of ours,
// and work on rows shared among threads.
#pragma once

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "patina/kernels/functions.h"
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

template <class N>
std::shared_ptr<N> make_node() {
  return std::shared_ptr<N>(new N, autograd::deleteNode);
}

inline bool needs_graph(std::initializer_list<Tensor> inputs) {
  if (!at::GradMode::is_enabled()) return false;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Tensor& t) { return t.defined() && t.requires_grad(); });
}

template <class T>
T* data(const Tensor& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}

// Rows [from, to) of work shared among threads; each of them is enough to be worth a thread.
template <class Work>
void in_parallel(int64_t rows, int64_t least, Work&& work) {
  at::parallel_for(0, rows, least, [&](int64_t from, int64_t to) { work(from, to); });
}

template <class Work>
void by_type(const Tensor& t, Work&& work) {
  if (t.scalar_type() == at::kBFloat16)
    work.template operator()<bf16>();
  else
    work.template operator()<float>();
}

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

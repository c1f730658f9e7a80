// The matrix products of a ViT's forward pass and nothing else: how fast the pass could be at most
// with given products. By patina's kernels and by LibTorch's, in bf16 or floats.
#pragma once

#include <memory>
#include <vector>

#include "patina/kernels/tiles.h"
#include "patina/models/vision/vit.h"

namespace patina::bench {

/// [m,k] times [k,n], `times` times for each sample: over rows of one weight, or once a head.
struct MatrixProduct {
  int64_t m = 0, n = 0, k = 0, times = 1;
  bool shared = true;  // the right side is a weight, not a sample's own
};

/// Those of a pass whose last block makes the class token only, in order.
std::vector<MatrixProduct> products_of(const ViTShape& shape);
int64_t flops_of(const std::vector<MatrixProduct>& products);  // of one sample

/// By patina's kernels in T, bf16 or float: right sides packed before, and each thread takes its
/// samples through all products, some at a time, so that rows stay in its caches.
template <class T>
class KernelProducts {
 public:
  KernelProducts(const ViTShape& shape, int64_t batch);
  void multiply() const;

 private:
  struct Step {
    MatrixProduct product;
    kernels::Aligned<T> tiles;
  };
  void run(int64_t samples, T* from, T* to) const;

  std::vector<Step> steps_;
  int64_t batch_, samples_;      // at a time
  int64_t from_size_, to_size_;  // elements that so many samples need
};

/// By LibTorch's: one `mm` a weight and one `bmm` for all heads, of the whole batch.
class LibTorchProducts {
 public:
  LibTorchProducts(const ViTShape& shape, int64_t batch, at::ScalarType type);
  void multiply() const;

 private:
  std::vector<std::pair<Tensor, Tensor>> sides_;  // of two dimensions, or of three
};

}  // namespace patina::bench

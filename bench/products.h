// Only the matrix products of a ViT's forward pass, with patina's or LibTorch's kernels, in bf16 or
// fp32: an upper bound on the speed of the pass with those products.
#pragma once

#include <memory>
#include <vector>

#include "patina/kernels/tiles.h"
#include "patina/models/vision/vit.h"

namespace patina::bench {

/// [m,k] times [k,n], `times` times per sample: all rows with one weight, or once per head.
struct MatrixProduct {
  int64_t m = 0, n = 0, k = 0, times = 1;
  bool shared = true;  // the right side is a weight shared by all samples
};

/// The products of a pass whose last block computes the class token only, in order.
std::vector<MatrixProduct> products_of(const ViTShape& shape);
int64_t flops_of(const std::vector<MatrixProduct>& products);  // of one sample

/// With patina's kernels in T, bf16 or float. Right sides are packed in advance. Each thread takes
/// its samples through all products, a few at a time, so that rows stay in its caches.
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
  int64_t batch_, samples_;      // samples at a time
  int64_t from_size_, to_size_;  // number of elements for that many samples
};

/// With LibTorch's kernels: one `mm` per weight and one `bmm` for all heads, on the whole batch.
class LibTorchProducts {
 public:
  LibTorchProducts(const ViTShape& shape, int64_t batch, at::ScalarType type);
  void multiply() const;

 private:
  std::vector<std::pair<Tensor, Tensor>> sides_;  // of two or three dimensions
};

}  // namespace patina::bench

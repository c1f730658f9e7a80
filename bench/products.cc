#include "bench/products.h"

#include <algorithm>

#include "patina/ops.h"

namespace patina::bench {

namespace {

using kernels::bf16;

constexpr int64_t kRows = 768;  // rows that a thread takes through all products at a time

Tensor random_matrix(const Shape& shape, at::ScalarType type) {
  Tensor t = at::empty(shape);
  Random random = Seeds(1)("products");
  random.fill_uniform(host_values(t), -1, 1);
  return t.to(type);
}

template <class T>
constexpr bool kRounds = std::is_same_v<T, bf16>;

}  // namespace

std::vector<MatrixProduct> products_of(const ViTShape& shape) {
  const int64_t tokens = shape.tokens(), width = shape.width, size = shape.block().size();
  const int64_t patches = shape.grid() * shape.grid();
  std::vector<MatrixProduct> list = {
      {.m = patches, .n = width, .k = 3 * shape.patch_size * shape.patch_size}};
  for (int64_t layer = 0; layer < shape.depth; ++layer) {
    const int64_t read = layer + 1 < shape.depth ? tokens : 1;
    list.push_back({.m = tokens, .n = 3 * width, .k = width});
    list.push_back({.m = read, .n = tokens, .k = size, .times = shape.heads, .shared = false});
    list.push_back({.m = read, .n = size, .k = tokens, .times = shape.heads, .shared = false});
    list.push_back({.m = read, .n = width, .k = width});
    list.push_back({.m = read, .n = shape.hidden, .k = width});
    list.push_back({.m = read, .n = width, .k = shape.hidden});
  }
  return list;
}

int64_t flops_of(const std::vector<MatrixProduct>& products) {
  int64_t flops = 0;
  for (const auto& p : products) flops += 2 * p.m * p.n * p.k * p.times;
  return flops;
}

template <class T>
KernelProducts<T>::KernelProducts(const ViTShape& shape, int64_t batch)
    : batch_(batch), samples_(std::max<int64_t>(1, kRows / shape.tokens())) {
  int64_t from = 0, to = 0;
  for (const auto& product : products_of(shape)) {
    const auto [m, n, k, times, shared] = product;
    const Tensor right = random_matrix({n, k}, kRounds<T> ? at::kBFloat16 : at::kFloat);
    auto tiles = kernels::aligned<T>(kernels::tiles_size<T>(n, k));
    kernels::pack(static_cast<const T*>(right.data_ptr()), k, 1, n, k, tiles.get());
    steps_.push_back({product, std::move(tiles)});
    from = std::max(from, m * times * kernels::round_up(k, kernels::kStep<T>));
    to = std::max(to, m * times * n);
  }
  from_size_ = samples_ * from;
  to_size_ = samples_ * to;
}

template <class T>
void KernelProducts<T>::multiply() const {
  const int64_t threads = tensor_threads();
  in_parallel(batch_, (batch_ + threads - 1) / threads, [&](int64_t first, int64_t end) {
    const auto from = kernels::aligned<T>(from_size_), to = kernels::aligned<T>(to_size_);
    std::fill_n(from.get(), from_size_, kernels::rounded<T>(0.5f));
    for (int64_t i = first; i < end; i += samples_)
      run(std::min(samples_, end - i), from.get(), to.get());
  });
}

template <class T>
void KernelProducts<T>::run(int64_t samples, T* from, T* to) const {
  for (const auto& [product, tiles] : steps_) {
    const auto [m, n, k, times, shared] = product;
    const int64_t wide = kernels::round_up(k, kernels::kStep<T>);
    // A product with a weight multiplies the rows of all samples at once; a product with a head's
    // keys multiplies the rows of that head.
    const int64_t calls = shared ? 1 : samples * times, rows = shared ? samples * m : m;
    for (int64_t i = 0; i < calls; ++i)
      kernels::multiply(kernels::Product<T>{.a = from + i * rows * wide,
                                            .a_stride = wide,
                                            .m = rows,
                                            .tiles = tiles.get(),
                                            .n = n,
                                            .k = k,
                                            .c = to + i * rows * n,
                                            .rounds = kRounds<T>,
                                            .c_stride = n});
  }
}

template class KernelProducts<bf16>;
template class KernelProducts<float>;

LibTorchProducts::LibTorchProducts(const ViTShape& shape, int64_t batch, at::ScalarType type) {
  for (const auto& [m, n, k, times, shared] : products_of(shape)) {
    if (shared)
      sides_.emplace_back(random_matrix({batch * m, k}, type), random_matrix({n, k}, type).t());
    else
      sides_.emplace_back(random_matrix({batch * times, m, k}, type),
                          random_matrix({batch * times, n, k}, type).transpose(1, 2));
  }
}

void LibTorchProducts::multiply() const {
  NoGrad no_grad;
  for (const auto& [left, right] : sides_) {
    if (left.dim() == 2)
      at::mm(left, right);
    else
      at::bmm(left, right);
  }
}

}  // namespace patina::bench

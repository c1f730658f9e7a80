// The door to LibTorch's tensor type. Everything else includes this, not ATen.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace patina {

using at::Tensor;
using Shape = std::vector<int64_t>;

/// While one lives, operations build no graph.
using NoGrad = at::NoGradGuard;

/// While one lives, this thread's matrix products run in bf16 with fp32 weights kept: LibTorch's
/// own mixed precision. Does nothing when `on` is false.
class MixedPrecision {
 public:
  explicit MixedPrecision(bool on);
  ~MixedPrecision();
  MixedPrecision(const MixedPrecision&) = delete;
  MixedPrecision& operator=(const MixedPrecision&) = delete;

 private:
  bool on_;
};

/// Call once, before any tensor is made: chooses instruction sets that work on this machine, and
/// the threads LibTorch and its BLAS use (0: OMP_NUM_THREADS, else one per usable core).
void prepare_cpu(int threads);

/// "[64, 3, 224, 224]".
std::string shape_text(at::IntArrayRef shape);

/// The values of a contiguous float tensor on the host. Throws Error(usage) for any other.
std::span<float> host_values(Tensor& t);
std::span<const float> host_values(const Tensor& t);
/// The same for int64.
std::span<int64_t> host_items(const Tensor& t);
/// A [n] int64 tensor with a copy of `items`.
Tensor tensor_of(std::span<const int64_t> items, at::Device device = at::kCPU);
/// A copy of the items of an int64 tensor on any device.
std::vector<int64_t> items_of(const Tensor& t);

int tensor_threads();
/// Calls work(from, end) for ranges that make up [0, n), `least` items or more each, shared among
/// those threads. A thread at work runs LibTorch's operations alone, and loops inside in one piece.
void in_parallel(int64_t n, int64_t least, const std::function<void(int64_t, int64_t)>& work);

/// "1.13.1": the LibTorch this is built with.
std::string libtorch_version();

}  // namespace patina

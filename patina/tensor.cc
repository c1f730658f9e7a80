#include "patina/tensor.h"

#include "patina/base/cores.h"
#include "patina/base/error.h"
#include "patina/base/work.h"

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <malloc.h>
#include <omp.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "patina/ops.h"

namespace patina {

std::string shape_text(at::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

namespace {
void check_on_host(const Tensor& t) {
  PATINA_REQUIRE(
      t.is_cpu() && t.is_contiguous(),
      "cannot read the values of a tensor {} on {}: it must be contiguous and on the host",
      shape_text(t.sizes()), t.device().str());
}
}  // namespace

std::span<float> host_values(Tensor& t) {
  check_on_host(t);
  return {t.data_ptr<float>(), size_t(t.numel())};
}

std::span<const float> host_values(const Tensor& t) {
  check_on_host(t);
  return {t.data_ptr<float>(), size_t(t.numel())};
}

std::span<int64_t> host_items(const Tensor& t) {
  check_on_host(t);
  return {t.data_ptr<int64_t>(), size_t(t.numel())};
}

Tensor tensor_of(std::span<const int64_t> items, at::Device device) {
  Tensor out = at::empty({int64_t(items.size())}, at::kLong);
  if (!items.empty()) std::memcpy(out.data_ptr<int64_t>(), items.data(), items.size_bytes());
  return out.to(device);
}

std::vector<int64_t> items_of(const Tensor& t) {
  const Tensor flat = t.to(at::kCPU).contiguous();
  const auto items = host_items(flat);
  return {items.begin(), items.end()};
}

MixedPrecision::MixedPrecision(bool on) : on_(on) {
  if (!on_) return;
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  at::autocast::set_autocast_dtype(at::kCPU, at::kBFloat16);
  at::autocast::set_autocast_enabled(at::kCPU, true);
#else
  at::autocast::set_autocast_cpu_dtype(at::kBFloat16);
  at::autocast::set_cpu_enabled(true);
#endif
  at::autocast::increment_nesting();
}

MixedPrecision::~MixedPrecision() {
  if (!on_) return;
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  at::autocast::set_autocast_enabled(at::kCPU, false);
#else
  at::autocast::set_cpu_enabled(false);
#endif
}

namespace {
constexpr int kMostThreadsPerCore = 4;
}

void prepare_cpu(int threads) {
#if PATINA_CAP_ONEDNN
  // Debian's oneDNN 2.6 picks AMX kernels for LibTorch's bf16 products and dies of an illegal
  // instruction in them; AVX512-BF16 is the fastest set that works. A value the user set stays.
  ::setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_BF16", 0);
  ::setenv("DNNL_MAX_CPU_ISA", "AVX512_CORE_BF16", 0);
#endif
#ifdef __GLIBC__
  // Activations are allocated and freed all the time: their memory stays with the process instead
  // of being returned and asked for again page by page.
  ::mallopt(M_MMAP_THRESHOLD, 1 << 30);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
  // OpenMP's own count heeds OMP_NUM_THREADS and the affinity mask, but no quota; LibTorch's
  // default may be one.
  int asked = threads > 0 ? threads : omp_get_max_threads();
  if (threads <= 0 && !std::getenv("OMP_NUM_THREADS")) asked = std::min(asked, usable_cores());
  const int most = kMostThreadsPerCore * usable_cores();
  if (asked > most)
    warn(fmt::format("{} threads on {} cores would mostly wait for each other: {} are used", asked,
                     usable_cores(), most));
  at::set_num_threads(std::min(asked, most));
}
int tensor_threads() {
  return at::get_num_threads();
}
void in_parallel(int64_t n, int64_t least, const std::function<void(int64_t, int64_t)>& work) {
#ifndef _OPENMP
#error LibTorch shares loops among threads only where its headers are compiled with OpenMP
#endif
  at::parallel_for(0, n, least, [&work, current = current_work()](int64_t from, int64_t end) {
    const WorkScope scope(current);
    work(from, end);
  });
}
std::string libtorch_version() {
  return TORCH_VERSION;
}

}  // namespace patina

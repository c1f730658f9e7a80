// Engines: how the operations of a block are computed. The plain engine uses LibTorch in fp32 and
// is the reference; the packed engine uses the kernels, with frozen weights packed once.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "patina/nn/layers.h"

namespace patina::nn {

/// Rows that products read and write have the engine's type, fp32 or bf16; the residual stream is
/// fp32. Thread-safe.
class Engine {
 public:
  virtual ~Engine() = default;

  /// Converts x [..,D] of the residual stream to the engine's type.
  virtual Tensor rows(const Tensor& x) const = 0;
  /// norm(x), x [..,D] float, in the engine's type.
  virtual Tensor norm(const Norm& norm, const Tensor& x) const = 0;
  /// act(linear(x)) + end.add: in the engine's type, or float if `end` says so or has an addend.
  virtual Tensor linear(const Linear& linear, const Tensor& x, const LinearEnd& end = {}) const = 0;
  /// fc2(act(fc1(x))), with the same end as `linear`.
  virtual Tensor mlp(const Linear& fc1, Activation activation, const Linear& fc2, const Tensor& x,
                     const LinearEnd& end) const {
    return linear(fc2, linear(fc1, x, {.activation = activation}), end);
  }
  virtual Tensor activate(Activation activation, const Tensor& x) const = 0;
  /// act(g) * u of [g, u] = x [..,2h].
  virtual Tensor gate(Activation activation, const Tensor& x) const = 0;
  /// softmax(s + bias) v of the scores s = scale q kᵀ, or with a `cap` above 0 of cap tanh(s /
  /// cap). query [B,H,T,d], key and value [B,Hk,S,d], bias [B|1,H|1,T|1,S] or undefined ->
  /// [B,T,H*d].
  virtual Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value,
                        const Tensor& bias, double scale, double cap) const = 0;
  /// The same without a cap, for queries, keys and values packed side by side, as one product
  /// returns them: mixed [B,T,..].
  virtual Tensor attend_within(const Tensor& mixed, const kernels::Heads& heads, const Tensor& bias,
                               double scale) const = 0;
  /// Patch embedding with kernels [D,3,p,p] of images [B,3,H,W]: [B,T,D] float.
  virtual Tensor embed_patches(const Linear& patch, const Tensor& images) const = 0;

  /// Whether to skip results that are not read, such as most tokens of the last block, and to split
  /// batches among threads. The reference engine does neither.
  virtual bool frugal() const = 0;
  /// Tokens per part of a batch: enough to read the weights seldom, but few enough to keep the
  /// activations in a core's caches.
  virtual int64_t tokens_at_once() const { return 768; }
  /// What results depend on, such as "plain" or "bf16 amx".
  virtual std::string text() const = 0;
};

/// Views of the queries, keys and values packed in mixed [B,T,..]: each [B,its heads,T,d].
std::array<Tensor, 3> heads_of(const Tensor& mixed, const kernels::Heads& heads);

enum class Precision { fp32, bf16 };

std::shared_ptr<const Engine> plain_engine();
std::shared_ptr<const Engine> packed_engine(Precision precision);
/// LibTorch's operations in bf16, on any device: the engine of GPUs.
std::shared_ptr<const Engine> library_engine();

}  // namespace patina::nn

#include <map>
#include <mutex>
#include <tuple>

#include <fmt/format.h>

#include "patina/kernels/functions.h"
#include "patina/kernels/isa.h"
#include "patina/nn/engine.h"
#include "patina/ops.h"

namespace patina::nn {

namespace {

bool frozen(const Tensor& t) {
  return !t.defined() || !t.requires_grad() || !at::GradMode::is_enabled();
}
bool frozen(const Linear& linear) {
  return frozen(linear.weight) && frozen(linear.bias);
}

/// The packed forms of weights, each made on first use and again after the weight was changed in
/// place. Copies and slices that share a tensor's memory share its packed form.
class Packs {
 public:
  explicit Packs(at::ScalarType type) : type_(type) {}

  std::shared_ptr<const kernels::PackedWeight> operator()(const Linear& linear) {
    const Key key{linear.weight.data_ptr(), linear.weight.size(0), linear.weight.numel()};
    const int64_t version =
        linear.weight._version() + (linear.bias.defined() ? linear.bias._version() : 0);
    const std::lock_guard lock(mutex_);
    if (const auto found = packs_.find(key); found != packs_.end())
      if (found->second.version == version && !found->second.memory.expired())
        return found->second.packed;
    std::erase_if(packs_, [](const auto& entry) { return entry.second.memory.expired(); });
    auto packed = std::make_shared<kernels::PackedWeight>(linear.weight, linear.bias, type_);
    packs_.insert_or_assign(key,
                            Entry{linear.weight.storage().getWeakStorageImpl(), version, packed});
    return packed;
  }

 private:
  using Key = std::tuple<const void*, int64_t, int64_t>;  // address, N, N * K
  struct Entry {
    c10::weak_intrusive_ptr<c10::StorageImpl> memory;  // of the weight; weak, so that it is not
                                                       // kept alive
    int64_t version;
    std::shared_ptr<const kernels::PackedWeight> packed;
  };
  at::ScalarType type_;
  std::mutex mutex_;
  std::map<Key, Entry> packs_;
};

class PackedEngine : public Engine {
 public:
  explicit PackedEngine(Precision precision)
      : precision_(precision),
        type_(precision == Precision::bf16 ? at::kBFloat16 : at::kFloat),
        packs_(type_) {}

  Tensor rows(const Tensor& x) const override { return x.to(type_); }

  Tensor norm(const Norm& norm, const Tensor& x) const override {
    return kernels::norm(x, norm.factors(), norm.bias, norm.eps, norm.rms, type_);
  }

  Tensor linear(const Linear& linear, const Tensor& x, const LinearEnd& end) const override {
    if (linear.stored()) return kernels::linear(x, linear.stored_weight(), linear.bias, end, type_);
    return kernels::linear(x, linear.weight, linear.bias, end, packed(linear));
  }

  Tensor mlp(const Linear& fc1, Activation activation, const Linear& fc2, const Tensor& x,
             const LinearEnd& end) const override {
    // Without a graph, batches come in parts that fit the caches, and so does the hidden layer.
    if (!at::GradMode::is_enabled() || !frozen(fc1) || !frozen(fc2) || fc1.stored() || fc2.stored())
      return Engine::mlp(fc1, activation, fc2, x, end);
    return kernels::mlp(x, {fc1.weight, packs_(fc1)}, {fc2.weight, packs_(fc2)}, activation, end);
  }

  Tensor activate(Activation activation, const Tensor& x) const override {
    return activation == Activation::none ? x : kernels::activate(activation, x);
  }
  Tensor gate(Activation activation, const Tensor& x) const override {
    return kernels::gate(activation, x);
  }

  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
                double scale, double cap) const override {
    if (!frozen(bias))
      return plain_engine()->attend(query.to(at::kFloat), key.to(at::kFloat), value.to(at::kFloat),
                                    bias, scale, cap);
    return kernels::attend(query, key, value, bias, scale, type_, cap);
  }

  Tensor attend_within(const Tensor& mixed, const kernels::Heads& heads, const Tensor& bias,
                       double scale) const override {
    if (!frozen(bias)) {
      const auto [query, key, value] = heads_of(mixed, heads);
      return attend(query, key, value, bias, scale, 0);
    }
    return kernels::attend_within(mixed, heads, bias, scale, type_);
  }

  Tensor embed_patches(const Linear& patch, const Tensor& images) const override {
    if (!frozen(patch) || !frozen(images)) return plain_engine()->embed_patches(patch, images);
    return kernels::linear(kernels::patches(images, patch.weight.size(-1), type_), patch.weight,
                           patch.bias, {.wide = true}, packed(patch));
  }

  bool frugal() const override { return true; }
  // fp32 takes twice the memory.
  int64_t tokens_at_once() const override { return precision_ == Precision::bf16 ? 768 : 384; }
  std::string text() const override {
    return fmt::format("packed {} {}", precision_ == Precision::bf16 ? "bf16" : "fp32",
                       kernels::name(kernels::isa()));
  }

 private:
  // A weight in training changes at every step: it is packed for that step only.
  std::shared_ptr<const kernels::PackedWeight> packed(const Linear& linear) const {
    if (frozen(linear)) return packs_(linear);
    return std::make_shared<kernels::PackedWeight>(linear.weight, linear.bias, type_);
  }

  Precision precision_;
  at::ScalarType type_;
  mutable Packs packs_;
};

}  // namespace

std::shared_ptr<const Engine> packed_engine(Precision precision) {
  return std::make_shared<const PackedEngine>(precision);
}

}  // namespace patina::nn

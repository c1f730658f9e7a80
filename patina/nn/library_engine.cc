// The engine of GPUs: LibTorch's operations in bf16 with its fused attention, and frozen weights
// converted once. It computes on any device that LibTorch knows, so tests run it on the host.
#include <map>
#include <mutex>
#include <utility>

#include "patina/kernels/functions.h"
#include "patina/nn/engine.h"
#include "patina/ops.h"

namespace patina::nn {

namespace {

constexpr at::ScalarType kRows = at::kBFloat16;

/// bf16 copies of frozen tensors, each made on first use and again after the tensor was changed.
class Copies {
 public:
  Tensor operator()(const Tensor& t) {
    if (!t.defined() || t.scalar_type() == kRows) return t;
    const bool learned = t.requires_grad() && at::GradMode::is_enabled();
    if (learned || !t.is_contiguous()) return t.to(kRows);
    const Key key{t.data_ptr(), t.numel()};
    const std::lock_guard lock(mutex_);
    if (const auto found = copies_.find(key); found != copies_.end())
      if (found->second.version == t._version() && !found->second.memory.expired())
        return found->second.copy.view(t.sizes());
    std::erase_if(copies_, [](const auto& entry) { return entry.second.memory.expired(); });
    Tensor copy = t.detach().to(kRows).contiguous();
    copies_.insert_or_assign(key, Entry{t.storage().getWeakStorageImpl(), t._version(), copy});
    return copy;
  }

 private:
  using Key = std::pair<const void*, int64_t>;  // address, number of values
  struct Entry {
    c10::weak_intrusive_ptr<c10::StorageImpl> memory;  // of the original, which is not kept alive
    int64_t version;
    Tensor copy;
  };
  std::mutex mutex_;
  std::map<Key, Entry> copies_;
};

class LibraryEngine : public Engine {
 public:
  Tensor rows(const Tensor& x) const override { return x.to(kRows); }
  Tensor norm(const Norm& norm, const Tensor& x) const override { return norm(x).to(kRows); }

  Tensor linear(const Linear& linear, const Tensor& x, const LinearEnd& end) const override {
    const bool wide = end.wide || end.add.defined();
    if (linear.stored()) {
      const Tensor y = plain_engine()->linear(linear, x.to(at::kFloat), end);
      return wide ? y : y.to(kRows);
    }
    kernels::count_linear(x.numel() / x.size(-1), x, linear.weight);
    const Tensor y = nn::activate(
        end.activation, at::linear(x.to(kRows), copies_(linear.weight), copies_(linear.bias)));
    if (end.add.defined()) return end.add + y;
    return end.wide ? y.to(at::kFloat) : y;
  }

  Tensor activate(Activation activation, const Tensor& x) const override {
    return nn::activate(activation, x);
  }
  Tensor gate(Activation activation, const Tensor& x) const override {
    return plain_engine()->gate(activation, x);
  }

  Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
                double scale, double cap) const override {
    if (cap > 0)  // no fused attention has it
      return plain_engine()
          ->attend(query.to(at::kFloat), key.to(at::kFloat), value.to(at::kFloat), bias, scale, cap)
          .to(kRows);
    const Tensor q = query.to(kRows), k = key.to(kRows), v = value.to(kRows);
    kernels::count_attention(q, k, v);
    const int64_t batch = q.size(0), heads = q.size(1), size = q.size(3);
    const auto shared = [&](const Tensor& t) {  // [B,Hk,S,d] -> [B,H,S,d]
      if (t.size(1) == heads) return t;
      return t.unsqueeze(2)
          .expand({batch, t.size(1), heads / t.size(1), t.size(2), size})
          .reshape({batch, heads, t.size(2), size});
    };
    const Tensor mixed =
        at::fused_attention(q, shared(k), shared(v), bias.defined() ? bias.to(kRows) : bias, scale);
    return mixed.transpose(1, 2).reshape({batch, q.size(2), heads * size});
  }

  Tensor attend_within(const Tensor& mixed, const kernels::Heads& heads, const Tensor& bias,
                       double scale) const override {
    const auto [query, key, value] = heads_of(mixed, heads);
    return attend(query, key, value, bias, scale, 0);
  }

  Tensor embed_patches(const Linear& patch, const Tensor& images) const override {
    const int64_t side = patch.weight.size(-1);
    const Tensor grid =
        at::conv2d(images.to(kRows), copies_(patch.weight), copies_(patch.bias), side);
    kernels::count_linear(grid.numel() / grid.size(1), images, patch.weight);
    return grid.flatten(2).transpose(1, 2).to(at::kFloat);
  }

  bool frugal() const override { return false; }
  std::string text() const override { return "library bf16"; }

 private:
  mutable Copies copies_;
};

}  // namespace

std::shared_ptr<const Engine> library_engine() {
  return std::make_shared<const LibraryEngine>();
}

}  // namespace patina::nn

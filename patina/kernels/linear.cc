#include "patina/base/error.h"
#include "patina/kernels/flops.h"
#include "patina/kernels/packed_weight.h"

namespace patina::kernels {

void count_linear(int64_t rows, const Tensor& x, const Tensor& weight) {
  const int64_t cost = 2 * rows * weight.numel();
  count_flops(cost, cost * (takes_gradient(x) + takes_gradient(weight)));
}

PackedWeight::PackedWeight(const Tensor& weight, const Tensor& bias, at::ScalarType type)
    : parts_(std::make_unique<Parts>()) {
  NoGrad no_grad;
  const Tensor w = weight_matrix(weight);
  const int64_t n = parts_->n = w.size(0);
  parts_->k = w.size(1);
  if (type == at::kBFloat16)
    parts_->sides.emplace<Parts::Sides<bf16>>(w);
  else
    parts_->sides.emplace<Parts::Sides<float>>(w);
  parts_->bias = aligned<float>(round_up(n, kBlock));
  std::fill_n(parts_->bias.get(), round_up(n, kBlock), 0.0f);
  if (bias.defined()) {
    const Tensor flat = bias.detach().to(at::kFloat).contiguous();
    std::copy_n(data<float>(flat), n, parts_->bias.get());
  }
}

PackedWeight::~PackedWeight() = default;

int64_t PackedWeight::n() const {
  return parts_->n;
}
int64_t PackedWeight::k() const {
  return parts_->k;
}
at::ScalarType PackedWeight::type() const {
  return std::holds_alternative<Parts::Sides<bf16>>(parts_->sides) ? at::kBFloat16 : at::kFloat;
}

namespace {

// Backward of y = act(x Wᵀ + b) + add.
template <class T>
struct LinearBack : public Backward {
  std::shared_ptr<const PackedWeight> packed;
  Tensor weight;
  Activation activation = Activation::none;
  Tensor before;  // [M,N] of T: input of the activation
  Tensor x;       // [M, K rounded up] of T, kept if the weight requires a gradient
  std::vector<int64_t> x_shape;

  Tensors gradients(const Tensor& dy) override {
    Tensors out(4);
    if (wanted(3)) out[3] = dy;
    const Tensor g = before_ends<T>(activation, before, dy);
    if (wanted(0)) {
      out[0] = at::empty(x_shape, kType<T>);
      multiply_rows<T>({}, g, packed->parts().template of<T>().transposed(weight), out[0]);
    }
    if (wanted(1)) out[1] = weight_gradient(g);
    if (wanted(2)) out[2] = bias_gradient(g, packed->n());
    return out;
  }

  // gᵀ x: [N,K]. Threads share the rows in parts that do not depend on the number of threads.
  Tensor weight_gradient(const Tensor& g) const {
    constexpr int64_t kMostParts = 8, kSmall = 1 << 18;
    const int64_t m = rows_of(g), wide = x.size(-1), n = packed->n(), k = packed->k();
    const Tensor dy = g.view({m, -1}).slice(1, 0, n);
    if constexpr (std::is_same_v<T, float>)
      return at::mm(dy.t(), x.view({m, k})).view(weight.sizes());
    const int64_t least = n * k < kSmall ? 512 : 2048;  // each part has a sum of its own, which
                                                        // costs more if it is large
    const int64_t rows = std::max(least, (m + kMostParts - 1) / kMostParts);
    const int64_t parts = (m + rows - 1) / rows;
    const Tensor sums = at::empty({parts, n, k});
    in_parallel(parts, 1, [&](int64_t from, int64_t end) {
      NoGrad no_grad;
      for (int64_t i = from; i < end; ++i) {
        const int64_t first = i * rows, count = std::min(rows, m - first);
        const Tensor transposed = rows_for<T>(dy.slice(0, first, first + count).t());
        multiply_rows<T>({}, transposed, Tiles<T>::of(data<T>(x) + first * wide, 1, wide, k, count),
                         sums[i]);
      }
    });
    return (parts == 1 ? sums[0] : sums.sum(0)).view(weight.sizes());
  }
};

template <class T>
Tensor linear_of(const Tensor& x, const Tensor& weight, const Tensor& bias, const LinearEnd& end,
                 const std::shared_ptr<const PackedWeight>& packed) {
  const bool graph = needs_graph({x, weight, bias, end.add});
  const Tensor rows = rows_for<T>(x.detach());
  const int64_t m = rows_of(rows);
  LinearPass<T> pass(x, m, packed->n(), packed->parts().bias.get(), end, graph);
  multiply_rows(pass.product, rows, packed->parts().template of<T>().forward, pass.y);
  count_linear(m, x, weight);
  if (!graph) return pass.y;
  auto back = std::make_unique<LinearBack<T>>();
  back->packed = packed;
  back->weight = weight.detach();
  back->activation = end.activation;
  back->before = pass.before;
  if (takes_gradient(weight)) back->x = rows;
  back->x_shape = x.sizes().vec();
  record(pass.y, {x, weight, bias, end.add}, std::move(back));
  return pass.y;
}

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, const LinearEnd& end,
              std::shared_ptr<const PackedWeight> packed) {
  if (!packed) packed = std::make_shared<PackedWeight>(weight, bias, at::kBFloat16);
  const bool rounds = packed->type() == at::kBFloat16;
  const bool padded =
      rounds && x.scalar_type() == at::kBFloat16 && x.size(-1) == round_up(packed->k(), kTileK);
  PATINA_CHECK(padded || x.size(-1) == packed->k(), "rows of {} for a layer that reads {}",
               x.size(-1), packed->k());
  return rounds ? linear_of<bf16>(x, weight, bias, end, packed)
                : linear_of<float>(x, weight, bias, end, packed);
}

namespace {

template <class T>
Tensor patches_of(const Tensor& pixels, int64_t p) {
  const int64_t channels = pixels.size(1), height = pixels.size(2), width = pixels.size(3);
  const int64_t down = height / p, across = width / p, k = channels * p * p;
  const int64_t wide = round_up(k, kStep<T>);
  Tensor out = at::empty({pixels.size(0), down * across, wide}, kType<T>);
  in_team(pixels.size(0) * down, 4, [&](int64_t from, int64_t end) {
    for (int64_t strip = from; strip < end; ++strip) {  // a row of patches
      const float* image = data<float>(pixels) + strip / down * channels * height * width;
      T* to = data<T>(out) + strip * across * wide;
      for (int64_t patch = 0; patch < across; ++patch, to += wide) {
        for (int64_t line = 0; line < channels * p; ++line) {
          const int64_t y = strip % down * p + line % p;
          instructions().rows<T>().round(p, image + (line / p * height + y) * width + patch * p,
                                         to + line * p);
        }
        std::fill_n(to + k, wide - k, T{0});
      }
    }
  });
  return out;
}

}  // namespace

Tensor patches(const Tensor& images, int64_t p, at::ScalarType type) {
  NoGrad no_grad;
  const Tensor pixels = images.to(at::kFloat).contiguous();
  return type == at::kBFloat16 ? patches_of<bf16>(pixels, p) : patches_of<float>(pixels, p);
}

}  // namespace patina::kernels

#include <mutex>
#include <variant>

#include "patina/base/error.h"
#include "patina/kernels/flops.h"
#include "patina/kernels/node.h"

namespace patina::kernels {

void count_linear(int64_t rows, const Tensor& x, const Tensor& weight) {
  const int64_t cost = 2 * rows * weight.numel();
  count_flops(cost, cost * (takes_gradient(x) + takes_gradient(weight)));
}

namespace {

// [rows, k rounded up] of T; x itself where it is that already.
template <class T>
Tensor rows_for(const Tensor& x) {
  const int64_t k = x.size(-1), wide = round_up(k, kStep<T>);
  const Tensor all = x.contiguous();
  if (k == wide && all.scalar_type() == kType<T>) return all;
  if constexpr (std::is_same_v<T, float>) return all.to(at::kFloat);
  const int64_t rows = rows_of(all);
  const Tensor to =
      k == wide ? at::empty({rows, wide}, at::kBFloat16) : at::zeros({rows, wide}, at::kBFloat16);
  in_team(rows, kRowsAThread, [&](int64_t from, int64_t end) {
    for (int64_t i = from; i < end; ++i) {
      bf16* row = data<bf16>(to) + i * wide;
      if (all.scalar_type() == at::kBFloat16)
        std::copy_n(data<bf16>(all) + i * k, k, row);
      else
        instructions().rows<bf16>().round(k, data<float>(all) + i * k, row);
    }
  });
  return to;
}

template <class T>
struct Tiles {
  Aligned<T> memory;
  int64_t n = 0, k = 0;

  // Element (i, j) of W is at from[i * row + j * column].
  template <class From>
  static Tiles of(const From* from, int64_t row, int64_t column, int64_t n, int64_t k) {
    Tiles tiles{aligned<T>(tiles_size<T>(n, k)), n, k};
    pack(from, row, column, n, k, tiles.memory.get());
    return tiles;
  }
};

// Rows and columns of a product.
struct Part {
  int64_t row = 0, rows = 0, column = 0, columns = 0;
};

template <class T>
Product<T> part_of(Product<T> p, const Part& part, int64_t bytes) {
  p.a += part.row * p.a_stride;
  p.m = part.rows;
  p.tiles += part.column * round_up(p.k, kStep<T>);
  p.n = part.columns;
  if (p.bias) p.bias += part.column;
  p.c = static_cast<char*>(p.c) + (part.row * p.c_stride + part.column) * bytes;
  if (p.add) p.add += part.row * p.add_stride + part.column;
  if (p.before) p.before += part.row * p.before_stride + part.column;
  return p;
}

// Fills in a product's rows and shares them among threads; of few rows, the columns.
template <class T>
void multiply_rows(Product<T> product, const Tensor& a, const Tiles<T>& tiles, const Tensor& c) {
  constexpr int64_t kWeights = 1 << 19;  // that are worth a thread
  const int64_t rows = rows_of(a);
  product.a = data<T>(a);
  product.tiles = tiles.memory.get();
  product.n = tiles.n;
  product.k = tiles.k;
  product.a_stride = a.size(-1);
  product.c = c.data_ptr();
  product.c_stride = product.add_stride = product.before_stride = tiles.n;
  product.rounds = c.scalar_type() == at::kBFloat16;
  const auto multiply_part = [&](const Part& part) {
    multiply(part_of(product, part, int64_t(c.element_size())));
  };
  const auto blocks = [](int64_t n) { return (n + kBlock - 1) / kBlock; };
  if (rows <= kBlock)
    in_team(blocks(tiles.n),
            std::max<int64_t>(1, kWeights / (kBlock * std::max<int64_t>(1, tiles.k))),
            [&](int64_t from, int64_t end) {
              const int64_t first = from * kBlock;
              multiply_part({0, rows, first, std::min(end * kBlock, tiles.n) - first});
            });
  else
    in_team(blocks(rows), 2, [&](int64_t from, int64_t end) {
      const int64_t first = from * kBlock;
      multiply_part({first, std::min(end * kBlock, rows) - first, 0, tiles.n});
    });
}

// [N,K] float, contiguous.
Tensor matrix_of(const Tensor& weight) {
  return weight.detach().flatten(1).to(at::kFloat).contiguous();
}

}  // namespace

struct PackedWeight::Parts {
  template <class T>
  struct Sides {
    Tiles<T> forward;
    mutable std::once_flag once;
    mutable Tiles<T> backward;

    explicit Sides(const Tensor& w)
        : forward(Tiles<T>::of(data<float>(w), w.size(1), 1, w.size(0), w.size(1))) {}
    const Tiles<T>& transposed(const Tensor& weight) const {
      std::call_once(once, [&] {
        const Tensor w = matrix_of(weight);
        backward = Tiles<T>::of(data<float>(w), 1, forward.k, forward.k, forward.n);
      });
      return backward;
    }
  };

  int64_t n = 0, k = 0;
  Aligned<float> bias;  // [N rounded up], zeros where there is none
  std::variant<std::monostate, Sides<bf16>, Sides<float>> sides;

  template <class T>
  const Sides<T>& of() const {
    return std::get<Sides<T>>(sides);
  }
};

PackedWeight::PackedWeight(const Tensor& weight, const Tensor& bias, at::ScalarType type)
    : parts_(std::make_unique<Parts>()) {
  NoGrad no_grad;
  const Tensor w = matrix_of(weight);
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

// y = act(x Wᵀ + b) + add, backwards.
template <class T>
struct LinearBack : public Backward {
  std::shared_ptr<const PackedWeight> packed;
  Tensor weight;
  Activation activation = Activation::none;
  Tensor before;  // [M,N] of T: what the activation read
  Tensor x;       // [M, K rounded up] of T, kept where the weight takes a gradient
  std::vector<int64_t> x_shape;

  Tensors gradients(const Tensor& dy) override {
    Tensors out(4);
    if (wanted(3)) out[3] = dy;
    const Tensor g = rows_for<T>(before.defined() ? through_activation(dy) : dy);
    if (wanted(0)) {
      out[0] = at::empty(x_shape, kType<T>);
      multiply_rows<T>({}, g, packed->parts().template of<T>().transposed(weight), out[0]);
    }
    if (wanted(1)) out[1] = weight_gradient(g);
    if (wanted(2))
      out[2] = g.view({-1, g.size(-1)}).slice(1, 0, packed->n()).sum(0, false, at::kFloat);
    return out;
  }

  Tensor through_activation(const Tensor& dy) const {
    const Tensor outer = dy.to(kType<T>).contiguous(), inner = at::empty_like(outer);
    in_team(outer.numel(), 1 << 14, [&](int64_t from, int64_t end) {
      instructions().rows<T>().activate_back(activation, end - from, data<T>(outer) + from,
                                             data<T>(before) + from, data<T>(inner) + from);
    });
    return inner;
  }

  // gᵀ x: [N,K]. Threads share the rows, in parts that do not depend on how many they are.
  Tensor weight_gradient(const Tensor& g) const {
    constexpr int64_t kMostParts = 8, kSmall = 1 << 18;
    const int64_t m = rows_of(g), wide = x.size(-1), n = packed->n(), k = packed->k();
    const Tensor slopes = g.view({m, -1}).slice(1, 0, n);
    if constexpr (std::is_same_v<T, float>)
      return at::mm(slopes.t(), x.view({m, k})).view(weight.sizes());
    const int64_t least = n * k < kSmall ? 512 : 2048;  // a large sum a part costs more
    const int64_t rows = std::max(least, (m + kMostParts - 1) / kMostParts);
    const int64_t parts = (m + rows - 1) / rows;
    const Tensor sums = at::empty({parts, n, k});
    in_parallel(parts, 1, [&](int64_t from, int64_t end) {
      NoGrad no_grad;
      for (int64_t i = from; i < end; ++i) {
        const int64_t first = i * rows, count = std::min(rows, m - first);
        const Tensor turned = rows_for<T>(slopes.slice(0, first, first + count).t());
        multiply_rows<T>({}, turned, Tiles<T>::of(data<T>(x) + first * wide, 1, wide, k, count),
                         sums[i]);
      }
    });
    return (parts == 1 ? sums[0] : sums.sum(0)).view(weight.sizes());
  }
};

template <class T>
Tensor linear_of(const Tensor& x, const Tensor& weight, const Tensor& bias, const LinearEnd& end,
                 std::shared_ptr<const PackedWeight> packed) {
  const bool graph = needs_graph({x, weight, bias, end.add});
  const Tensor rows = rows_for<T>(x.detach());
  const int64_t m = rows_of(rows), n = packed->n();
  const bool wide = end.wide || end.add.defined();
  Tensor y = empty_like_rows(x, n, wide ? at::kFloat : kType<T>);
  Product<T> product{.bias = packed->parts().bias.get(), .activation = end.activation};
  const Tensor add = end.add.defined() ? end.add.detach().contiguous() : Tensor();
  product.add = data<float>(add);
  Tensor before;
  if (graph && end.activation != Activation::none) {
    before = at::empty({m, n}, kType<T>);
    product.before = data<T>(before);
  }
  multiply_rows(product, rows, packed->parts().template of<T>().forward, y);
  count_linear(m, x, weight);
  if (!graph) return y;
  auto back = std::make_unique<LinearBack<T>>();
  back->packed = packed;
  back->weight = weight.detach();
  back->activation = end.activation;
  back->before = before;
  if (takes_gradient(weight)) back->x = rows;
  back->x_shape = x.sizes().vec();
  record(y, {x, weight, bias, end.add}, std::move(back));
  return y;
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
  const Tensor out = at::empty({pixels.size(0), down * across, wide}, kType<T>);
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

// The contents of a packed weight, and products of a tensor's rows with it. Shared by all
// operations that multiply by weights.
#pragma once

#include <mutex>
#include <variant>

#include "patina/kernels/node.h"

namespace patina::kernels {

// [rows, k rounded up] of T, contiguous; returns x if it already has that form.
template <class T>
inline Tensor rows_for(const Tensor& x) {
  const int64_t k = x.size(-1), wide = round_up(k, kStep<T>);
  Tensor all = x.contiguous();
  if (k == wide && all.scalar_type() == kType<T>) return all;
  if constexpr (std::is_same_v<T, float>) return all.to(at::kFloat);
  const int64_t rows = rows_of(all);
  Tensor to =
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

  // Packs W, whose element (i, j) is from[i * row + j * column].
  template <class From>
  static Tiles of(const From* from, int64_t row, int64_t column, int64_t n, int64_t k) {
    Tiles tiles{aligned<T>(tiles_size<T>(n, k)), n, k};
    pack(from, row, column, n, k, tiles.memory.get());
    return tiles;
  }
};

// A range of rows and columns of a product.
struct Part {
  int64_t row = 0, rows = 0, column = 0, columns = 0;
};

template <class T>
inline Product<T> part_of(Product<T> p, const Part& part, int64_t bytes) {
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

// Completes a product, which has its tiles, n and k, and splits its rows among threads, or its
// columns if the rows are few.
template <class T>
inline void multiply_rows(Product<T> product, const Tensor& a, const Tensor& c) {
  constexpr int64_t kWeights = 1 << 19;  // fewest per thread; a thread with less does not pay
  const int64_t rows = rows_of(a);
  product.a = data<T>(a);
  product.a_stride = a.size(-1);
  product.c = c.data_ptr();
  product.c_stride = product.add_stride = product.before_stride = product.n;
  product.rounds = c.scalar_type() == at::kBFloat16;
  const auto multiply_part = [&](const Part& part) {
    multiply(part_of(product, part, int64_t(c.element_size())));
  };
  const auto blocks = [](int64_t n) { return (n + kBlock - 1) / kBlock; };
  if (rows <= kBlock)
    in_team(blocks(product.n),
            std::max<int64_t>(1, kWeights / (kBlock * std::max<int64_t>(1, product.k))),
            [&](int64_t from, int64_t end) {
              const int64_t first = from * kBlock;
              multiply_part({0, rows, first, std::min(end * kBlock, product.n) - first});
            });
  else
    in_team(blocks(rows), 2, [&](int64_t from, int64_t end) {
      const int64_t first = from * kBlock;
      multiply_part({first, std::min(end * kBlock, rows) - first, 0, product.n});
    });
}
template <class T>
inline void multiply_rows(Product<T> product, const Tensor& a, const Tiles<T>& tiles,
                          const Tensor& c) {
  product.tiles = tiles.memory.get();
  product.n = tiles.n;
  product.k = tiles.k;
  multiply_rows(product, a, c);
}

// The gradient dy of act(before) as that of `before` [M,N] of T.
template <class T>
inline Tensor through_activation(Activation activation, const Tensor& before, const Tensor& dy) {
  const Tensor outer = dy.to(kType<T>).contiguous();
  Tensor inner = at::empty_like(outer);
  in_team(outer.numel(), 1 << 14, [&](int64_t from, int64_t end) {
    instructions().rows<T>().activate_back(activation, end - from, data<T>(outer) + from,
                                           data<T>(before) + from, data<T>(inner) + from);
  });
  return inner;
}

// What surrounds the product of a linear layer, however its weight is held: the result, and the
// product's ends.
template <class T>
struct LinearPass {
  Tensor y;            // [...,N]
  Tensor add, before;  // what is added; [M,N] of T, the activation's input, if a graph needs it
  Product<T> product;  // lacks its factors

  LinearPass(const Tensor& x, int64_t m, int64_t n, const float* bias, const LinearEnd& end,
             bool graph) {
    const bool wide = end.wide || end.add.defined();
    y = empty_like_rows(x, n, wide ? at::kFloat : kType<T>);
    if (end.add.defined()) add = end.add.detach().contiguous();
    if (graph && end.activation != Activation::none) before = at::empty({m, n}, kType<T>);
    product = {.bias = bias, .activation = end.activation};
    product.add = data<float>(add);
    if (before.defined()) product.before = data<T>(before);
  }
};

// Its backward, but for the weight: dy as the gradient of x Wᵀ + b, and that of b, [N], from it.
template <class T>
inline Tensor before_ends(Activation activation, const Tensor& before, const Tensor& dy) {
  return rows_for<T>(before.defined() ? through_activation<T>(activation, before, dy) : dy);
}
inline Tensor bias_gradient(const Tensor& g, int64_t n) {
  return g.view({-1, g.size(-1)}).slice(1, 0, n).sum(0, false, at::kFloat);
}

// The weight as [N,K] float, contiguous.
inline Tensor weight_matrix(const Tensor& weight) {
  return weight.detach().flatten(1).to(at::kFloat).contiguous();
}

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
        const Tensor w = weight_matrix(weight);
        backward = Tiles<T>::of(data<float>(w), 1, forward.k, forward.k, forward.n);
      });
      return backward;
    }
  };

  int64_t n = 0, k = 0;
  Aligned<float> bias;  // [N rounded up], zeros if there is none
  std::variant<std::monostate, Sides<bf16>, Sides<float>> sides;

  template <class T>
  const Sides<T>& of() const {
    return std::get<Sides<T>>(sides);
  }
};

}  // namespace patina::kernels

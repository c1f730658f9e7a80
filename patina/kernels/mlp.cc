// An MLP with frozen weights as one operation: blocks of rows go through both layers, so that the
// hidden layer stays in the second-level cache, forward and backward.
#include "patina/base/error.h"
#include "patina/kernels/flops.h"
#include "patina/kernels/packed_weight.h"

namespace patina::kernels {

namespace {

// Rows per block: as many as a product takes at once (14 in fp32, 32 in bf16), times a small
// factor.
template <class T>
constexpr int64_t kRowsAtOnce = std::is_same_v<T, bf16> ? 128 : 112;

// Input or output of a layer in the form that a product reads.
template <class T>
Product<T> product_of(const Tiles<T>& tiles) {
  return {.tiles = tiles.memory.get(), .n = tiles.n, .k = tiles.k};
}

// Calls work(first, rows, hidden) for block after block of rows, from several threads: what a call
// changes must be its own. `hidden` has room for their hidden layer.
template <class T, class Work>
void some_rows(int64_t rows, int64_t hidden_width, const Work& work) {
  const int64_t blocks = (rows + kBlock - 1) / kBlock;
  in_team(blocks, 2, [&](int64_t from, int64_t end) {
    const auto hidden = aligned<T>(kRowsAtOnce<T> * hidden_width);
    if constexpr (std::is_same_v<T, bf16>)  // the padding is read as well
      std::fill_n(hidden.get(), kRowsAtOnce<T> * hidden_width, bf16{0});
    const int64_t last = std::min(end * kBlock, rows);
    for (int64_t first = from * kBlock; first < last; first += kRowsAtOnce<T>)
      work(first, std::min(kRowsAtOnce<T>, last - first), hidden.get());
  });
}

template <class T>
struct MlpBack : public Backward {
  FrozenLinear first, second;
  Activation activation = Activation::none;
  Tensor before;  // [M,H] of T: input of the activation
  std::vector<int64_t> x_shape;

  Tensors gradients(const Tensor& dy) override {
    Tensors out(2);
    if (wanted(1)) out[1] = dy;
    if (!wanted(0)) return out;
    const Tensor g = rows_for<T>(dy), dx = at::empty(x_shape, kType<T>);
    const int64_t rows = rows_of(g), width = first.packed->n(), wide = round_up(width, kStep<T>);
    auto outer = product_of(second.packed->parts().template of<T>().transposed(second.weight));
    auto inner = product_of(first.packed->parts().template of<T>().transposed(first.weight));
    outer.a_stride = g.size(-1);
    outer.c_stride = inner.a_stride = wide;
    inner.c_stride = dx.size(-1);
    outer.rounds = inner.rounds = std::is_same_v<T, bf16>;
    some_rows<T>(rows, wide, [&](int64_t row, int64_t count, T* hidden) {
      Product<T> to_hidden = outer, to_input = inner;
      to_hidden.a = data<T>(g) + row * to_hidden.a_stride;
      to_hidden.m = to_input.m = count;
      to_hidden.c = hidden;
      multiply(to_hidden);
      for (int64_t i = 0; i < count; ++i)
        instructions().rows<T>().activate_back(activation, width, hidden + i * wide,
                                               data<T>(before) + (row + i) * width,
                                               hidden + i * wide);
      to_input.a = hidden;
      to_input.c = data<T>(dx) + row * to_input.c_stride;
      multiply(to_input);
    });
    out[0] = dx;
    return out;
  }
};

template <class T>
Tensor mlp_of(const Tensor& x, const FrozenLinear& first, const FrozenLinear& second,
              Activation activation, const LinearEnd& end) {
  const bool graph = needs_graph({x, end.add});
  const bool wide = end.wide || end.add.defined();
  const Tensor a = rows_for<T>(x.detach());
  const int64_t rows = rows_of(a), width = first.packed->n(), n = second.packed->n();
  const Tensor add = end.add.defined() ? end.add.detach().contiguous() : Tensor();
  const Tensor before = graph ? at::empty({rows, width}, kType<T>) : Tensor();
  Tensor y = empty_like_rows(x, n, wide ? at::kFloat : kType<T>);
  const auto &fc1 = first.packed->parts(), &fc2 = second.packed->parts();
  Product<T> inner = product_of(fc1.template of<T>().forward);
  Product<T> outer = product_of(fc2.template of<T>().forward);
  inner.bias = fc1.bias.get();
  outer.bias = fc2.bias.get();
  inner.activation = activation;
  inner.a_stride = a.size(-1);
  inner.c_stride = outer.a_stride = round_up(width, kStep<T>);
  inner.before_stride = width;
  outer.c_stride = outer.add_stride = n;
  inner.rounds = std::is_same_v<T, bf16>;
  outer.rounds = y.scalar_type() == at::kBFloat16;
  some_rows<T>(rows, inner.c_stride, [&](int64_t row, int64_t count, T* hidden) {
    Product<T> to_hidden = inner, to_output = outer;
    to_hidden.a = data<T>(a) + row * to_hidden.a_stride;
    to_hidden.m = to_output.m = count;
    to_hidden.c = hidden;
    if (graph) to_hidden.before = data<T>(before) + row * width;
    multiply(to_hidden);
    to_output.a = hidden;
    to_output.c = static_cast<char*>(y.data_ptr()) + row * n * int64_t(y.element_size());
    if (add.defined()) to_output.add = data<float>(add) + row * n;
    multiply(to_output);
  });
  count_linear(rows, x, first.weight);
  count_flops(2 * rows * second.weight.numel(), graph ? 2 * rows * second.weight.numel() : 0);
  if (!graph) return y;
  auto back = std::make_unique<MlpBack<T>>();
  back->first = first;
  back->second = second;
  back->activation = activation;
  back->before = before;
  back->x_shape = x.sizes().vec();
  record(y, {x, end.add}, std::move(back));
  return y;
}

}  // namespace

Tensor mlp(const Tensor& x, const FrozenLinear& first, const FrozenLinear& second,
           Activation activation, const LinearEnd& end) {
  PATINA_CHECK(x.size(-1) == first.packed->k() && first.packed->n() == second.packed->k(),
               "rows of {} for layers that read {} and {}", x.size(-1), first.packed->k(),
               second.packed->k());
  return first.packed->type() == at::kBFloat16 ? mlp_of<bf16>(x, first, second, activation, end)
                                               : mlp_of<float>(x, first, second, activation, end);
}

}  // namespace patina::kernels

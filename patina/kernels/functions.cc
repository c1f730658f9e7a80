#include "patina/kernels/functions.h"

#include <ATen/Parallel.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include <mutex>

#include "patina/base/error.h"
#include "patina/kernels/attention.h"
#include "patina/kernels/flops.h"
#include "patina/kernels/tiles.h"
#include "patina/ops.h"

namespace patina::kernels {

namespace autograd = torch::autograd;

namespace {

// A node of LibTorch's graph whose backward is ours.
struct Node : public autograd::Node {
  template <class... Inputs>
  void reads(const Inputs&... inputs) {
    set_next_edges(autograd::collect_next_edges(inputs...));
  }
};

template <class N>
std::shared_ptr<N> make_node() {
  return std::shared_ptr<N>(new N, autograd::deleteNode);
}

bool needs_graph(std::initializer_list<Tensor> inputs) {
  if (!at::GradMode::is_enabled()) return false;
  return std::any_of(inputs.begin(), inputs.end(),
                     [](const Tensor& t) { return t.defined() && t.requires_grad(); });
}

template <class T>
T* data(const Tensor& t) {
  return t.defined() ? static_cast<T*>(t.data_ptr()) : nullptr;
}

// Rows [from, to) of work shared among threads; each of them is enough to be worth a thread.
template <class Work>
void in_parallel(int64_t rows, int64_t least, Work&& work) {
  at::parallel_for(0, rows, least, [&](int64_t from, int64_t to) { work(from, to); });
}

template <class Work>
void by_type(const Tensor& t, Work&& work) {
  if (t.scalar_type() == at::kBFloat16)
    work.template operator()<bf16>();
  else
    work.template operator()<float>();
}

constexpr int64_t kRowsAThread = 64;

int64_t rows_of(const Tensor& x) {
  return x.numel() / std::max<int64_t>(1, x.size(-1));
}

Tensor empty_like_rows(const Tensor& x, int64_t width, at::ScalarType type) {
  auto shape = x.sizes().vec();
  shape.back() = width;
  return at::empty(shape, type);
}

// [rows, k rounded up to tiles] bf16; x itself where it is that already.
Tensor rounded_rows(const Tensor& x) {
  const int64_t k = x.size(-1), wide = round_up(k, kTileK);
  const Tensor all = x.contiguous();
  if (k == wide && all.scalar_type() == at::kBFloat16) return all;
  const int64_t rows = rows_of(all);
  const Tensor to =
      k == wide ? at::empty({rows, wide}, at::kBFloat16) : at::zeros({rows, wide}, at::kBFloat16);
  in_parallel(rows, kRowsAThread, [&](int64_t from, int64_t end) {
    for (int64_t i = from; i < end; ++i) {
      bf16* row = data<bf16>(to) + i * wide;
      if (all.scalar_type() == at::kBFloat16)
        std::copy_n(data<bf16>(all) + i * k, k, row);
      else
        instructions().rounded.round(k, data<float>(all) + i * k, row);
    }
  });
  return to;
}

struct Tiles {
  Aligned<bf16> memory;
  int64_t n = 0, k = 0;

  // Element (i, j) of W is at from[i * row + j * column].
  template <class T>
  static Tiles of(const T* from, int64_t row, int64_t column, int64_t n, int64_t k) {
    Tiles tiles{aligned<bf16>(tiles_size(n, k)), n, k};
    pack(from, row, column, n, k, tiles.memory.get());
    return tiles;
  }
};

// Fills in a product's rows and shares them among threads.
void multiply_rows(Product product, const Tensor& a, const Tiles& tiles, const Tensor& c) {
  const int64_t rows = rows_of(a), wide = a.size(-1);
  product.tiles = tiles.memory.get();
  product.n = tiles.n;
  product.k = tiles.k;
  product.a_stride = wide;
  product.c_stride = product.add_stride = product.before_stride = tiles.n;
  product.rounds = c.scalar_type() == at::kBFloat16;
  in_parallel((rows + kBlock - 1) / kBlock, 2, [&](int64_t from, int64_t end) {
    const int64_t first = from * kBlock;
    Product part = product;
    part.a = data<bf16>(a) + first * wide;
    part.m = std::min(end * kBlock, rows) - first;
    part.c = static_cast<char*>(c.data_ptr()) + first * tiles.n * int64_t(c.element_size());
    if (part.add) part.add += first * tiles.n;
    if (part.before) part.before += first * tiles.n;
    multiply(part);
  });
}

}  // namespace

namespace {
// [N,K] float, contiguous.
Tensor matrix_of(const Tensor& weight) {
  return weight.detach().flatten(1).to(at::kFloat).contiguous();
}
}  // namespace

struct PackedWeight::Parts {
  Tiles forward;
  Aligned<float> bias;  // [N rounded up], zeros where there is none
  mutable std::once_flag once;
  mutable Tiles backward;

  const Tiles& transposed(const Tensor& weight) const {
    std::call_once(once, [&] {
      const Tensor w = matrix_of(weight);
      backward = Tiles::of(data<float>(w), 1, forward.k, forward.k, forward.n);
    });
    return backward;
  }
};

PackedWeight::PackedWeight(const Tensor& weight, const Tensor& bias)
    : parts_(std::make_unique<Parts>()) {
  NoGrad no_grad;
  const Tensor w = matrix_of(weight);
  const int64_t n = w.size(0), k = w.size(1);
  parts_->forward = Tiles::of(data<float>(w), k, 1, n, k);
  parts_->bias = aligned<float>(round_up(n, kBlock));
  std::fill_n(parts_->bias.get(), round_up(n, kBlock), 0.0f);
  if (bias.defined()) {
    const Tensor flat = bias.detach().to(at::kFloat).contiguous();
    std::copy_n(data<float>(flat), n, parts_->bias.get());
  }
}

PackedWeight::~PackedWeight() = default;

int64_t PackedWeight::n() const {
  return parts_->forward.n;
}
int64_t PackedWeight::k() const {
  return parts_->forward.k;
}

namespace {

// y = act(x Wᵀ + b) + add, backwards.
struct LinearBack : public Node {
  std::shared_ptr<const PackedWeight> packed;
  Tensor weight;
  Activation activation = Activation::none;
  Tensor before;  // [M,N] bf16: what the activation read
  Tensor x;       // [M, K rounded up] bf16, kept where the weight takes a gradient
  std::vector<int64_t> x_shape;

  autograd::variable_list apply(autograd::variable_list&& grads) override {
    const Tensor& dy = grads[0];
    autograd::variable_list out(4);
    if (!dy.defined()) return out;
    NoGrad no_grad;
    if (should_compute_output(3)) out[3] = dy;
    const Tensor g = rounded_rows(before.defined() ? through_activation(dy) : dy);
    if (should_compute_output(0)) {
      out[0] = at::empty(x_shape, at::kBFloat16);
      multiply_rows({}, g, packed->parts().transposed(weight), out[0]);
    }
    if (should_compute_output(1)) out[1] = weight_gradient(g);
    if (should_compute_output(2))
      out[2] = g.view({-1, g.size(-1)}).slice(1, 0, packed->n()).sum(0, false, at::kFloat);
    return out;
  }

  Tensor through_activation(const Tensor& dy) const {
    const Tensor outer = dy.to(at::kBFloat16).contiguous(), inner = at::empty_like(outer);
    in_parallel(outer.numel(), 1 << 14, [&](int64_t from, int64_t end) {
      instructions().rounded.activate_back(activation, end - from, data<bf16>(outer) + from,
                                           data<bf16>(before) + from, data<bf16>(inner) + from);
    });
    return inner;
  }

  // gᵀ x: [N,K].
  Tensor weight_gradient(const Tensor& g) const {
    const int64_t m = rows_of(g), wide = x.size(-1);
    const Tensor turned = rounded_rows(g.view({m, -1}).slice(1, 0, packed->n()).t());
    const Tensor dw = at::empty({packed->n(), packed->k()});
    multiply_rows({}, turned, Tiles::of(data<bf16>(x), 1, wide, packed->k(), m), dw);
    return dw.view(weight.sizes());
  }

  void release_variables() override {
    before = x = weight = Tensor();
    packed.reset();
  }
};

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias,
              std::shared_ptr<const PackedWeight> packed, const LinearEnd& end) {
  if (!packed) packed = std::make_shared<PackedWeight>(weight, bias);
  const bool padded =
      x.scalar_type() == at::kBFloat16 && x.size(-1) == round_up(packed->k(), kTileK);
  PATINA_CHECK(padded || x.size(-1) == packed->k(), "rows of {} for a layer that reads {}",
               x.size(-1), packed->k());
  const bool graph = needs_graph({x, weight, bias, end.add});
  const Tensor rows = rounded_rows(x.detach());
  const int64_t m = rows_of(rows), n = packed->n();
  const bool wide = end.wide || end.add.defined();
  Tensor y = empty_like_rows(x, n, wide ? at::kFloat : at::kBFloat16);
  Product product{.bias = packed->parts().bias.get(), .activation = end.activation};
  const Tensor add = end.add.defined() ? end.add.detach().contiguous() : Tensor();
  product.add = data<float>(add);
  Tensor before;
  if (graph && end.activation != Activation::none) {
    before = at::empty({m, n}, at::kBFloat16);
    product.before = data<bf16>(before);
  }
  multiply_rows(product, rows, packed->parts().forward, y);
  const int64_t cost = 2 * m * n * packed->k();
  const bool trains = weight.defined() && weight.requires_grad();
  count_flops(cost, graph ? cost * (x.requires_grad() + trains) : 0);
  if (!graph) return y;
  const auto node = make_node<LinearBack>();
  node->reads(x, weight, bias, end.add);
  node->packed = packed;
  node->weight = weight.detach();
  node->activation = end.activation;
  node->before = before;
  if (trains) node->x = rows;
  node->x_shape = x.sizes().vec();
  autograd::set_history(y, node);
  return y;
}

namespace {

struct NormBack : public Node {
  Tensor weight, normal, scale;
  bool rms = false;

  autograd::variable_list apply(autograd::variable_list&& grads) override {
    if (!grads[0].defined()) return {Tensor()};
    NoGrad no_grad;
    const Tensor dy = grads[0].contiguous();
    const Tensor dx = at::empty(dy.sizes(), at::kFloat);
    const int64_t n = dy.size(-1);
    const NormRows rows{.width = n, .weight = data<float>(weight), .rms = rms};
    by_type(normal, [&]<class T>() {
      const Tensor same = dy.to(normal.scalar_type());
      in_parallel(rows_of(dy), kRowsAThread, [&](int64_t from, int64_t end) {
        instructions().rows<T>().norm_back(rows, end - from, data<T>(same) + from * n,
                                           data<T>(normal) + from * n, data<float>(scale) + from,
                                           data<float>(dx) + from * n);
      });
    });
    return {dx};
  }
  void release_variables() override { weight = normal = scale = Tensor(); }
};

}  // namespace

Tensor norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, bool rms,
            at::ScalarType type) {
  const bool graph = needs_graph({x});
  const Tensor from = x.detach().contiguous();
  const int64_t n = x.size(-1), rows = rows_of(x);
  Tensor y = at::empty(x.sizes(), type);
  const Tensor normal = graph ? at::empty(x.sizes(), type) : Tensor();
  const Tensor scale = graph ? at::empty({rows}) : Tensor();
  const Tensor w = weight.detach().contiguous();
  const Tensor b = bias.defined() ? bias.detach().contiguous() : bias;
  const NormRows shape{n, data<float>(w), data<float>(b), float(eps), rms};
  by_type(y, [&]<class T>() {
    in_parallel(rows, kRowsAThread, [&](int64_t first, int64_t end) {
      const auto part = [&](const Tensor& t) {
        return t.defined() ? data<T>(t) + first * n : nullptr;
      };
      instructions().rows<T>().norm(shape, end - first, data<float>(from) + first * n, part(y),
                                    part(normal), graph ? data<float>(scale) + first : nullptr);
    });
  });
  if (!graph) return y;
  const auto node = make_node<NormBack>();
  node->reads(x);
  node->weight = w;
  node->normal = normal;
  node->scale = scale;
  node->rms = rms;
  autograd::set_history(y, node);
  return y;
}

namespace {

// Of activations, and of gates, whose rows have two halves.
struct ActivationBack : public Node {
  Activation activation = Activation::none;
  bool gated = false;
  Tensor x;

  autograd::variable_list apply(autograd::variable_list&& grads) override {
    if (!grads[0].defined()) return {Tensor()};
    NoGrad no_grad;
    const Tensor dy = grads[0].to(x.scalar_type()).contiguous();
    const Tensor dx = at::empty_like(x);
    by_type(x, [&]<class T>() {
      const auto& rows = instructions().rows<T>();
      if (gated) {
        const int64_t h = dy.size(-1);
        in_parallel(rows_of(dy), kRowsAThread, [&](int64_t from, int64_t end) {
          rows.gate_back(activation, end - from, h, data<T>(dy) + from * h,
                         data<T>(x) + from * 2 * h, data<T>(dx) + from * 2 * h);
        });
      } else {
        in_parallel(x.numel(), 1 << 14, [&](int64_t from, int64_t end) {
          rows.activate_back(activation, end - from, data<T>(dy) + from, data<T>(x) + from,
                             data<T>(dx) + from);
        });
      }
    });
    return {dx};
  }
  void release_variables() override { x = Tensor(); }
};

Tensor with_history(Tensor y, const Tensor& x, const Tensor& rows, Activation activation,
                    bool gated) {
  if (!needs_graph({x})) return y;
  const auto node = make_node<ActivationBack>();
  node->reads(x);
  node->x = rows;
  node->activation = activation;
  node->gated = gated;
  autograd::set_history(y, node);
  return y;
}

}  // namespace

void count_attention(const Tensor& query, const Tensor& key, const Tensor& value) {
  const int64_t cost = 4 * query.numel() * key.size(2);
  count_flops(cost, needs_graph({query, key, value}) ? 2 * cost : 0);
}

Tensor patches(const Tensor& images, int64_t p) {
  NoGrad no_grad;
  const Tensor pixels = images.to(at::kFloat).contiguous();
  const int64_t channels = pixels.size(1), height = pixels.size(2), width = pixels.size(3);
  const int64_t down = height / p, across = width / p, k = channels * p * p;
  const int64_t wide = round_up(k, kTileK);
  const Tensor out = at::empty({pixels.size(0), down * across, wide}, at::kBFloat16);
  in_parallel(pixels.size(0) * down, 4, [&](int64_t from, int64_t end) {
    for (int64_t strip = from; strip < end; ++strip) {  // a row of patches
      const float* image = data<float>(pixels) + strip / down * channels * height * width;
      bf16* to = data<bf16>(out) + strip * across * wide;
      for (int64_t patch = 0; patch < across; ++patch, to += wide) {
        for (int64_t line = 0; line < channels * p; ++line) {
          const int64_t y = strip % down * p + line % p;
          instructions().rounded.round(p, image + (line / p * height + y) * width + patch * p,
                                       to + line * p);
        }
        std::fill_n(to + k, wide - k, bf16{0});
      }
    }
  });
  return out;
}

Tensor activate(Activation activation, const Tensor& x) {
  const Tensor from = x.detach().contiguous();
  const Tensor y = at::empty(x.sizes(), x.scalar_type());
  by_type(x, [&]<class T>() {
    in_parallel(x.numel(), 1 << 14, [&](int64_t first, int64_t end) {
      instructions().rows<T>().activate(activation, end - first, data<T>(from) + first,
                                        data<T>(y) + first);
    });
  });
  return with_history(y, x, from, activation, false);
}

Tensor gate(Activation activation, const Tensor& x) {
  const Tensor from = x.detach().contiguous();
  const int64_t h = x.size(-1) / 2;
  const Tensor y = empty_like_rows(x, h, x.scalar_type());
  by_type(x, [&]<class T>() {
    in_parallel(rows_of(x), kRowsAThread, [&](int64_t first, int64_t end) {
      instructions().rows<T>().gate(activation, end - first, h, data<T>(from) + first * 2 * h,
                                    data<T>(y) + first * h);
    });
  });
  return with_history(y, x, from, activation, true);
}

namespace {

// [B,H,T,d] bf16 with neighbours in its rows.
Tensor heads_of(const Tensor& t) {
  const Tensor rounded = t.detach().to(at::kBFloat16);
  return rounded.stride(-1) == 1 ? rounded : rounded.contiguous();
}

template <class T>
Strided<T> strided(const Tensor& t) {
  return {static_cast<T*>(t.data_ptr()), t.stride(0), t.stride(1), t.stride(2)};
}

// [B,H,T,d] whose memory is [B,T,H*d], as products read it.
Tensor empty_heads(const Tensor& like) {
  return at::empty({like.size(0), like.size(2), like.size(1), like.size(3)}, at::kBFloat16)
      .transpose(1, 2);
}

struct AttentionArguments {
  Tensor q, k, v, bias;
  double scale = 1;

  AttentionShape shape() const {
    return {.batch = q.size(0),
            .heads = q.size(1),
            .key_heads = k.size(1),
            .queries = q.size(2),
            .keys = k.size(2),
            .size = q.size(3),
            .scale = float(scale)};
  }
  AttentionInputs inputs() const {
    AttentionInputs inputs{
        strided<const bf16>(q), strided<const bf16>(k), strided<const bf16>(v), {}};
    if (!bias.defined()) return inputs;
    const Tensor all = bias.expand({q.size(0), q.size(1), q.size(2), k.size(2)});
    inputs.bias = {data<float>(all), all.stride(0), all.stride(1), all.stride(2), all.stride(3)};
    return inputs;
  }
};

struct AttendBack : public Node {
  AttentionArguments given;
  Tensor out, log_sums;  // [B,H,T,d], [B,H,T]

  autograd::variable_list apply(autograd::variable_list&& grads) override {
    if (!grads[0].defined()) return {Tensor(), Tensor(), Tensor()};
    NoGrad no_grad;
    const Tensor dout = heads_of(
        grads[0].view({out.size(0), out.size(2), out.size(1), out.size(3)}).transpose(1, 2));
    const Tensor dq = empty_heads(given.q), dk = empty_heads(given.k), dv = empty_heads(given.v);
    const AttentionSlopes slopes{strided<const bf16>(out), strided<const bf16>(dout),
                                 data<float>(log_sums),    strided<bf16>(dq),
                                 strided<bf16>(dk),        strided<bf16>(dv)};
    const auto inputs = given.inputs();
    const auto shape = given.shape();
    in_parallel(shape.units(), 1, [&](int64_t from, int64_t end) {
      attention_backward(shape, inputs, slopes, from, end);
    });
    return {dq, dk, dv};
  }
  void release_variables() override {
    given = {};
    out = log_sums = Tensor();
  }
};

}  // namespace

Tensor attend(const Tensor& query, const Tensor& key, const Tensor& value, const Tensor& bias,
              double scale) {
  const AttentionArguments given{heads_of(query), heads_of(key), heads_of(value),
                                 bias.defined() ? bias.detach() : bias, scale};
  const bool graph = needs_graph({query, key, value});
  const Tensor out = empty_heads(given.q);
  const auto shape = given.shape();
  const auto inputs = given.inputs();
  const Tensor log_sums = graph ? at::empty({shape.batch, shape.heads, shape.queries}) : Tensor();
  in_parallel(shape.units(), 1, [&](int64_t from, int64_t end) {
    attention_forward(shape, inputs, strided<bf16>(out), data<float>(log_sums), from, end);
  });
  count_attention(query, key, value);
  Tensor y = out.transpose(1, 2).view({shape.batch, shape.queries, shape.heads * shape.size});
  if (!graph) return y;
  const auto node = make_node<AttendBack>();
  node->reads(query, key, value);
  node->given = given;
  node->out = out.detach();
  node->log_sums = log_sums;
  autograd::set_history(y, node);
  return y;
}

}  // namespace patina::kernels

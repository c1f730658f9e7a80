#include "patina/kernels/node.h"

namespace patina::kernels {

namespace {

struct NormBack : public Node {
  Tensor weight, normal, scale;
  bool rms = false;

  autograd::variable_list apply(autograd::variable_list&& grads) override {
    autograd::variable_list out(3);
    if (!grads[0].defined()) return out;
    NoGrad no_grad;
    const Tensor dy = grads[0].to(normal.scalar_type()).contiguous();
    by_type(normal, [&]<class T>() {
      if (should_compute_output(0)) out[0] = rows_back<T>(dy);
      if (should_compute_output(1) || should_compute_output(2)) weights_back<T>(dy, out);
    });
    return out;
  }

  template <class T>
  Tensor rows_back(const Tensor& dy) const {
    const Tensor dx = at::empty(dy.sizes(), at::kFloat);
    const int64_t n = dy.size(-1);
    const NormRows rows{.width = n, .weight = data<float>(weight), .rms = rms};
    in_team(rows_of(dy), kRowsAThread, [&](int64_t from, int64_t end) {
      instructions().rows<T>().norm_back(rows, end - from, data<T>(dy) + from * n,
                                         data<T>(normal) + from * n, data<float>(scale) + from,
                                         data<float>(dx) + from * n);
    });
    return dx;
  }

  // Sums over rows, in parts that do not depend on how many threads there are.
  template <class T>
  void weights_back(const Tensor& dy, autograd::variable_list& out) const {
    constexpr int64_t kParts = 16;
    const int64_t n = dy.size(-1), rows = rows_of(dy);
    const Tensor sums = at::zeros({2, kParts, n});
    const bool biased = should_compute_output(2);
    in_team(kParts, 1, [&](int64_t from, int64_t end) {
      for (int64_t part = from; part < end; ++part) {
        const int64_t first = rows * part / kParts;
        instructions().rows<T>().norm_weights_back(
            n, rows * (part + 1) / kParts - first, data<T>(dy) + first * n,
            data<T>(normal) + first * n, data<float>(sums) + part * n,
            biased ? data<float>(sums) + (kParts + part) * n : nullptr);
      }
    });
    out[1] = sums[0].sum(0);
    if (biased) out[2] = sums[1].sum(0);
  }
  void release_variables() override { weight = normal = scale = Tensor(); }
};

}  // namespace

Tensor norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps, bool rms,
            at::ScalarType type) {
  const bool graph = needs_graph({x, weight, bias});
  const Tensor from = x.detach().contiguous();
  const int64_t n = x.size(-1), rows = rows_of(x);
  Tensor y = at::empty(x.sizes(), type);
  const Tensor normal = graph ? at::empty(x.sizes(), type) : Tensor();
  const Tensor scale = graph ? at::empty({rows}) : Tensor();
  const Tensor w = weight.detach().contiguous();
  const Tensor b = bias.defined() ? bias.detach().contiguous() : bias;
  const NormRows shape{n, data<float>(w), data<float>(b), float(eps), rms};
  by_type(y, [&]<class T>() {
    in_team(rows, kRowsAThread, [&](int64_t first, int64_t end) {
      const auto part = [&](const Tensor& t) {
        return t.defined() ? data<T>(t) + first * n : nullptr;
      };
      instructions().rows<T>().norm(shape, end - first, data<float>(from) + first * n, part(y),
                                    part(normal), graph ? data<float>(scale) + first : nullptr);
    });
  });
  if (!graph) return y;
  const auto node = make_node<NormBack>();
  node->reads(x, weight, bias);
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
        in_team(rows_of(dy), kRowsAThread, [&](int64_t from, int64_t end) {
          rows.gate_back(activation, end - from, h, data<T>(dy) + from * h,
                         data<T>(x) + from * 2 * h, data<T>(dx) + from * 2 * h);
        });
      } else {
        in_team(x.numel(), 1 << 14, [&](int64_t from, int64_t end) {
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

Tensor activate(Activation activation, const Tensor& x) {
  const Tensor from = x.detach().contiguous();
  const Tensor y = at::empty(x.sizes(), x.scalar_type());
  by_type(x, [&]<class T>() {
    in_team(x.numel(), 1 << 14, [&](int64_t first, int64_t end) {
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
    in_team(rows_of(x), kRowsAThread, [&](int64_t first, int64_t end) {
      instructions().rows<T>().gate(activation, end - first, h, data<T>(from) + first * 2 * h,
                                    data<T>(y) + first * h);
    });
  });
  return with_history(y, x, from, activation, true);
}

}  // namespace patina::kernels

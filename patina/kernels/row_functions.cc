#include "patina/kernels/node.h"

namespace patina::kernels {

namespace {

struct NormBack : public Backward {
  Tensor weight, normal, scale;
  bool rms = false;

  Tensors gradients(const Tensor& incoming) override {
    Tensors out(3);
    const Tensor dy = incoming.to(normal.scalar_type()).contiguous();
    by_type(normal, [&]<class T>() {
      if (wanted(0)) out[0] = rows_back<T>(dy);
      if (wanted(1) || wanted(2)) weights_back<T>(dy, out);
    });
    return out;
  }

  template <class T>
  Tensor rows_back(const Tensor& dy) const {
    Tensor dx = at::empty(dy.sizes(), at::kFloat);
    const int64_t n = dy.size(-1);
    const NormRows rows{.width = n, .weight = data<float>(weight), .rms = rms};
    in_team(rows_of(dy), kRowsAThread, [&](int64_t from, int64_t end) {
      instructions().rows<T>().norm_back(rows, end - from, data<T>(dy) + from * n,
                                         data<T>(normal) + from * n, data<float>(scale) + from,
                                         data<float>(dx) + from * n);
    });
    return dx;
  }

  // Sums over rows, in parts that do not depend on the number of threads.
  template <class T>
  void weights_back(const Tensor& dy, Tensors& out) const {
    constexpr int64_t kParts = 16;
    const int64_t n = dy.size(-1), rows = rows_of(dy);
    const Tensor sums = at::zeros({2, kParts, n});
    const bool biased = wanted(2);
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
  auto back = std::make_unique<NormBack>();
  back->weight = w;
  back->normal = normal;
  back->scale = scale;
  back->rms = rms;
  record(y, {x, weight, bias}, std::move(back));
  return y;
}

namespace {

// Backward of activations, and of gates, whose rows have two halves.
struct ActivationBack : public Backward {
  Activation activation = Activation::none;
  bool gated = false;
  Tensor x;

  Tensors gradients(const Tensor& incoming) override {
    const Tensor dy = incoming.to(x.scalar_type()).contiguous();
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
};

Tensor with_history(Tensor y, const Tensor& x, const Tensor& rows, Activation activation,
                    bool gated) {
  if (!needs_graph({x})) return y;
  auto back = std::make_unique<ActivationBack>();
  back->x = rows;
  back->activation = activation;
  back->gated = gated;
  record(y, {x}, std::move(back));
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

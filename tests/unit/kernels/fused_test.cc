// Operations that the kernels do in one piece, compared with the same in several: equal bits,
// forward and backward, in both types.
#include <gtest/gtest.h>

#include "patina/base/random.h"
#include "patina/kernels/functions.h"
#include "patina/ops.h"

namespace patina::kernels {
namespace {

class FusedKernel : public testing::TestWithParam<at::ScalarType> {
 protected:
  Tensor normal(at::IntArrayRef shape) {
    Tensor t = at::empty(shape);
    random_.fill_normal({t.data_ptr<float>(), size_t(t.numel())});
    return t;
  }

 private:
  Random random_ = Seeds(1)("fused");
};

TEST_P(FusedKernel, MlpIsTwoLinearLayers) {
  // Of 300 rows the last part is short, and of 45 numbers bf16 rows go on with zeros.
  for (const int64_t width : {64, 45})
    for (const bool adds : {false, true}) {
      const int64_t rows = 300, hidden = 3 * width;
      const auto layer = [&](int64_t n, int64_t k) {
        const Tensor weight = normal({n, k}) * (1 / std::sqrt(double(k)));
        return FrozenLinear{weight,
                            std::make_shared<const PackedWeight>(weight, normal({n}), GetParam())};
      };
      const FrozenLinear first = layer(hidden, width), second = layer(width, hidden);
      const Tensor given = normal({rows, width}), more = normal({rows, width}),
                   gradients = normal({rows, width});
      const auto run = [&](bool fused) {
        Tensor x = given.to(GetParam()).detach().requires_grad_(),
               add = more.clone().requires_grad_();
        const LinearEnd end{Activation::none, adds ? add : Tensor(), true};
        const Tensor y = fused
                             ? mlp(x, first, second, Activation::gelu, end)
                             : linear(linear(x, first.weight, {}, {Activation::gelu}, first.packed),
                                      second.weight, {}, end, second.packed);
        y.backward(gradients);
        return std::array{y.detach(), x.grad(), adds ? add.grad() : gradients};
      };
      const auto one = run(true), two = run(false);
      for (size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], two[i])) << i;
      NoGrad no_grad;
      EXPECT_TRUE(at::equal(
          mlp(given.slice(0, 0, 7).to(GetParam()), first, second, Activation::gelu, {.wide = true}),
          mlp(given.to(GetParam()), first, second, Activation::gelu, {.wide = true})
              .slice(0, 0, 7)));
    }
}

// Blocks of rows go through the layers on several threads: none may read or write another's.
TEST_P(FusedKernel, MlpOfSeveralThreadsIsThatOfOne) {
  const int64_t rows = 4096, width = 64, hidden = 256;
  const auto layer = [&](int64_t n, int64_t k) {
    const Tensor weight = normal({n, k}) * (1 / std::sqrt(double(k)));
    return FrozenLinear{weight,
                        std::make_shared<const PackedWeight>(weight, normal({n}), GetParam())};
  };
  const FrozenLinear first = layer(hidden, width), second = layer(width, hidden);
  const Tensor given = normal({rows, width}), gradients = normal({rows, width});
  const auto run = [&](int threads) {
    prepare_cpu(threads);
    Tensor x = given.to(GetParam()).detach().requires_grad_();
    const Tensor y = mlp(x, first, second, Activation::gelu, {.wide = true});
    y.backward(gradients);
    return std::pair{y.detach(), x.grad()};
  };
  const int before = tensor_threads();
  const auto [y, dx] = run(1);
  for (int i = 0; i < 20; ++i) {
    const auto [other_y, other_dx] = run(4);
    EXPECT_TRUE(at::equal(other_y, y)) << i;
    EXPECT_TRUE(at::equal(other_dx, dx)) << i;
  }
  prepare_cpu(before);
}

TEST_P(FusedKernel, AttentionWithinOneTensorIsThatOfItsParts) {
  const Heads heads{.queries = 4, .keys = 2, .size = 24};
  const int64_t batch = 3, tokens = 37, width = (heads.queries + 2 * heads.keys) * heads.size;
  const Tensor given = normal({batch, tokens, width}).to(GetParam()),
               bias = normal({batch, 1, 1, tokens}),
               gradients = normal({batch, tokens, heads.queries * heads.size}).to(GetParam());
  const auto run = [&](bool within) {
    Tensor mixed = given.detach().clone().requires_grad_();
    const auto part = [&](int64_t from, int64_t count) {
      return mixed.slice(-1, from * heads.size, (from + count) * heads.size)
          .reshape({batch, tokens, count, heads.size})
          .transpose(1, 2);
    };
    const Tensor y = within ? attend_within(mixed, heads, bias, 0.3, GetParam())
                            : attend(part(0, 4), part(4, 2), part(6, 2), bias, 0.3, GetParam());
    y.backward(gradients);
    return std::pair{y.detach(), mixed.grad()};
  };
  const auto [one, one_gradient] = run(true);
  const auto [parts, parts_gradient] = run(false);
  EXPECT_TRUE(at::equal(one, parts));
  EXPECT_TRUE(at::equal(one_gradient, parts_gradient));
}

INSTANTIATE_TEST_SUITE_P(Types, FusedKernel, testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace patina::kernels

// kernels::linear, compared with LibTorch, forward and backward, in both types: sizes whose rows or
// columns are shared among threads, and sizes that one thread takes.
#include <gtest/gtest.h>

#include "patina/base/random.h"
#include "patina/kernels/functions.h"
#include "patina/ops.h"

namespace patina::kernels {
namespace {

struct Size {
  int64_t m, n, k;
};

double distance(const Tensor& a, const Tensor& b) {
  return ((a.to(at::kFloat) - b).norm() / b.norm()).item<double>();
}

class LinearKernel : public testing::TestWithParam<Size> {};

TEST_P(LinearKernel, IsLibTorchsInBothTypes) {
  const auto [m, n, k] = GetParam();
  Random random = Seeds(1)("linear");
  const auto normal = [&](at::IntArrayRef shape) {
    Tensor t = at::empty(shape);
    random.fill_normal({t.data_ptr<float>(), size_t(t.numel())});
    return t;
  };
  const Tensor weight = normal({n, k}) * (1 / std::sqrt(double(k))), bias = normal({n}),
               rows = normal({m, k}), more = normal({m, n}), gradients = normal({m, n});
  for (const auto activation : {Activation::none, Activation::gelu})
    for (const bool adds : {false, true})
      for (const auto type : {at::kFloat, at::kBFloat16}) {
        const double error = type == at::kFloat ? 2e-6 : 0.02;
        const auto inputs = [&] {
          return std::pair{rows.clone().requires_grad_(), more.clone().requires_grad_()};
        };
        auto [x, add] = inputs();
        const auto packed = std::make_shared<const PackedWeight>(weight, bias, type);
        const LinearEnd end{activation, adds ? add : Tensor(), true};
        const Tensor y = linear(x, weight, bias, end, packed);
        y.backward(gradients);

        auto [plain_x, plain_add] = inputs();
        Tensor expected = at::linear(plain_x, weight, bias);
        if (activation == Activation::gelu) expected = at::gelu(expected);
        if (adds) expected = expected + plain_add;
        expected.backward(gradients);

        EXPECT_LT(distance(y.detach(), expected.detach()), error);
        EXPECT_LT(distance(x.grad(), plain_x.grad()), error);
        if (adds) {
          EXPECT_TRUE(at::equal(add.grad(), gradients));
        }
        // A single row has the same bits as in the batch.
        NoGrad no_grad;
        const LinearEnd alone{activation, adds ? more.slice(0, m - 1) : Tensor(), true};
        EXPECT_TRUE(at::equal(linear(rows.slice(0, m - 1), weight, bias, alone, packed),
                              y.detach().slice(0, m - 1)));
      }
}

TEST(WeightGradient, IsLibTorchs) {
  Random random = Seeds(1)("weight gradient");
  const auto normal = [&](at::IntArrayRef shape) {
    Tensor t = at::empty(shape);
    random.fill_normal({t.data_ptr<float>(), size_t(t.numel())});
    return t;
  };
  for (const auto& [m, n, k] : {Size{1, 3, 5}, Size{70, 14, 32}, Size{2500, 45, 67}}) {
    const Tensor x = normal({m, k}), gradients = normal({m, n});
    Tensor weight = normal({n, k}).requires_grad_(), bias = normal({n}).requires_grad_();
    const auto packed = std::make_shared<const PackedWeight>(weight, bias, at::kFloat);
    linear(x, weight, bias, {}, packed).backward(gradients);
    EXPECT_LT(distance(weight.grad(), gradients.t().matmul(x)), 2e-6);
    EXPECT_LT(distance(bias.grad(), gradients.sum(0)), 2e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, LinearKernel,
                         testing::Values(Size{1, 3, 5}, Size{1, 2048, 1024}, Size{20, 1999, 1033},
                                         Size{300, 100, 65}));

}  // namespace
}  // namespace patina::kernels

// Dropout in adapters: where and when it acts, and its mean.
#include <gtest/gtest.h>

#include <map>

#include "patina/adapt/adapter.h"
#include "patina/nn/dropout.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"
#include "tests/support/tensors.h"

namespace patina::adapt {
namespace {

/// The output of an adapter with this dropout, changed from its initial weights, for the same
/// input.
struct Dropped {
  Tensor in = random_tensor({2, 3, kTinyViT.width}, 1),
         out = random_tensor({2, 3, kTinyViT.width}, 2);
  Adapter adapter;
  std::map<std::string, Tensor> tensors;

  explicit Dropped(double dropout)
      : adapter(options(dropout), kTinyViT.width, kTinyViT.depth, *drawn()) {
    NoGrad no_grad;
    uint64_t index = 3;
    for (auto& item : nn::tensors(adapter)) {
      item.tensor.add_(random_tensor(item.tensor.sizes().vec(), ++index, 0.1));
      tensors[item.name] = item.tensor;
    }
  }
  Tensor operator()() { return adapter.after(nn::Site::mlp, 1, in, out); }

 private:
  static AdapterOptions options(double dropout) {
    return {.bottleneck = 4, .scale = 0.25, .dropout = dropout};
  }
  static std::unique_ptr<Random> drawn() { return std::make_unique<Random>(Seeds(7)("adapt")); }
};

TEST(Adapter, DropsHiddenUnitsBehindTheActivation) {
  Dropped half(0.5);
  const auto& t = half.tensors;
  // The mask drawn from the seed: a unit is kept if its number is at least the rate.
  Random random = Seeds(11)("mask");
  Tensor drawn = at::empty({2, 3, 4});
  nn::init_uniform(drawn, random, 0, 1);
  const Tensor mask = (drawn >= 0.5).to(at::kFloat);
  EXPECT_GT(mask.sum().item<float>(), 0);
  EXPECT_LT(mask.sum().item<float>(), 24);
  const Tensor hidden =
      at::relu(at::matmul(half.in, t.at("blocks.1.down.weight").t()) + t.at("blocks.1.down.bias"));
  const Tensor expected =
      half.out + 0.25 * (at::matmul(2 * mask * hidden, t.at("blocks.1.up.weight").t()) +
                         t.at("blocks.1.up.bias"));
  const Tensor plain = half();
  {
    const nn::Dropping dropping(Seeds(11)("mask"));
    EXPECT_LT(relative_error(half(), expected), 1e-6);
  }
  EXPECT_GT(relative_error(expected, plain), 1e-3);
}

TEST(Adapter, DropsNothingOutsideOfTraining) {
  Dropped with(0.1), without(0);
  const Tensor plain = without();
  EXPECT_TRUE(at::equal(with(), plain)) << "no training step";
  const nn::Dropping dropping(Seeds(11)("mask"));
  EXPECT_FALSE(at::equal(with(), plain));
  EXPECT_TRUE(at::equal(without(), plain));
  {
    NoGrad no_grad;
    EXPECT_TRUE(at::equal(with(), plain)) << "a teacher's pass, or statistics";
  }
  nn::freeze(with.adapter);
  EXPECT_TRUE(at::equal(with(), plain)) << "frozen";
}

TEST(Adapter, DropoutKeepsTheExpectation) {
  Dropped with(0.1);
  const Tensor plain = with() - with.out;
  Tensor sum = at::zeros_like(plain).detach();
  const nn::Dropping dropping(Seeds(12)("mask"));
  constexpr int kDraws = 4000;
  for (int i = 0; i < kDraws; ++i) sum += (with() - with.out).detach() / kDraws;
  EXPECT_LT(relative_error(sum, plain), 0.02);
}

}  // namespace
}  // namespace patina::adapt

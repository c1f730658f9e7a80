// Guarantees of every adaptation in every family: it changes the network's output but not its
// shape, gradients reach all of its tensors and none of the network's weights, and it can be
// trained.
#include <gtest/gtest.h>

#include "patina/checkpoint/load.h"
#include "patina/optim/optimizer.h"
#include "tests/support/kinds.h"

namespace patina::adapt {
namespace {

class Adapted : public testing::TestWithParam<Case> {
 protected:
  TinyFamily family_ = tiny_family(std::get<0>(GetParam()));

  const Kind& kind() const {
    static const std::vector<Kind> all = kinds();
    return *std::ranges::find(all, std::get<1>(GetParam()), &Kind::name);
  }
  Made make() const {
    Random random = Seeds(7)("adapt");
    return kind().make(family_, random);
  }
  Made make_stirred() const { return adapt::make_stirred(kind(), family_); }
  /// A number that depends on every token that is not padding.
  Tensor probe(nn::Adaptation& adaptation) const {
    const Tensor tokens = family_.forward({&adaptation}).slice(1, 0, 4);
    return (tokens * random_tensor(tokens.sizes().vec(), 5)).sum();
  }
};

TEST_P(Adapted, KeepsTheOutputsShapeAndChangesIt) {
  const Tensor plain = family_.forward({});
  const auto adaptation = make_stirred();
  const Tensor changed = family_.forward({adaptation.get()});
  EXPECT_EQ(changed.sizes(), plain.sizes());
  EXPECT_GT(relative_error(changed, plain), 1e-4);
  EXPECT_EQ(family_.network->features(family_.input, {adaptation.get()}).sizes(),
            family_.network->features(family_.input).sizes());
}

TEST_P(Adapted, GradientsReachEveryTensorAndNoWeight) {
  const auto adaptation = make_stirred();
  ASSERT_FALSE(nn::tensors(*adaptation).empty());
  probe(*adaptation).backward();
  for (const auto& own : nn::tensors(*adaptation)) {
    ASSERT_TRUE(own.tensor.grad().defined()) << own.name;
    EXPECT_GT(own.tensor.grad().abs().max().item<float>(), 0) << own.name;
  }
  for (const auto& weight : nn::tensors(*family_.network))
    EXPECT_FALSE(weight.tensor.grad().defined()) << weight.name;
}

// <gradient, u> against a central difference along a random direction u, in float.
TEST_P(Adapted, GradientsAreTheSlope) {
  const auto adaptation = make_stirred();
  probe(*adaptation).backward();
  double expected = 0;
  std::vector<Tensor> directions;
  for (const auto& own : nn::tensors(*adaptation)) {
    directions.push_back(own.tensor.grad().sign() *
                         random_tensor(own.tensor.sizes().vec(), 17).abs());
    expected += (own.tensor.grad() * directions.back()).sum().item<double>();
  }
  NoGrad no_grad;
  const auto at_step = [&](double step) {
    size_t i = 0;
    for (auto& own : nn::tensors(*adaptation)) own.tensor.add_(directions[i++], step);
    const double value = probe(*adaptation).item<double>();
    i = 0;
    for (auto& own : nn::tensors(*adaptation)) own.tensor.sub_(directions[i++], step);
    return value;
  };
  constexpr double kStep = 2e-4;
  const double slope = (at_step(kStep) - at_step(-kStep)) / (2 * kStep);
  EXPECT_NEAR(slope / expected, 1, 0.03);
}

TEST_P(Adapted, TrainsWithoutMovingTheBackbone) {
  const std::string before = content_hash(nn::tensors(*family_.network));
  const auto adaptation = make();
  const std::string fresh = content_hash(nn::tensors(*adaptation));
  ParamGroup group;
  for (const auto& own : nn::trainable(*adaptation)) group.tensors.push_back(own.tensor);
  ASSERT_EQ(group.tensors.size(), nn::tensors(*adaptation).size());
  Optimizer optimizer({.lr = 0.01}, {group});
  double first = 0, last = 0;
  for (int step = 0; step < 8; ++step) {
    optimizer.zero_grad();
    const Tensor loss = (family_.forward({adaptation.get()}).slice(1, 0, 4) - 1).square().mean();
    (step == 0 ? first : last) = loss.item<double>();
    loss.backward();
    optimizer.step(0.01);
  }
  EXPECT_LT(last, first);
  EXPECT_NE(content_hash(nn::tensors(*adaptation)), fresh);
  EXPECT_EQ(content_hash(nn::tensors(*family_.network)), before);
}

TEST_P(Adapted, IsDrawnFromItsGeneratorAlone) {
  EXPECT_EQ(content_hash(nn::tensors(*make())), content_hash(nn::tensors(*make())));
}

// A text's tokens do not depend on the amount of padding, with any adaptation.
TEST_P(Adapted, PaddingChangesNothing) {
  if (!family_.input.is_text()) GTEST_SKIP() << "images have no padding";
  const auto adaptation = make_stirred();
  const Tensor padded = family_.network->tokens(family_.input, {adaptation.get()});
  const Tensor alone =
      family_.network->tokens(family_.input.data.slice(0, 1, 2).slice(1, 0, 5), {adaptation.get()});
  EXPECT_LT(relative_error(padded.slice(0, 1, 2).slice(1, 0, 5), alone), 1e-5);
}

// With a cache each token is read once, without one at every step: the scores are equal.
TEST_P(Adapted, GeneratesTheSameWithAndWithoutACache) {
  const auto adaptation = make_stirred();
  auto cached = family_.network->begin(family_.input, {adaptation.get()}, true);
  auto plain = family_.network->begin(family_.input, {adaptation.get()}, false);
  if (!cached) GTEST_SKIP() << family_.name << " does not generate";
  for (int step = 0; step < 5; ++step) {
    ASSERT_LT(relative_error(cached->scores(), plain->scores()), 1e-4) << "step " << step;
    const Tensor next = plain->scores().argmax(1);
    cached->append(next);
    plain->append(next);
  }
}

INSTANTIATE_TEST_SUITE_P(Families, Adapted, in_every_family(kinds()), name_of_case);

}  // namespace
}  // namespace patina::adapt

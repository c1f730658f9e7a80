// LoRAs of which texts and tokens take parts, by hand.
#include "patina/adapt/routed_lora.h"

#include <gtest/gtest.h>

#include "patina/ops.h"

namespace patina::adapt {
namespace {

Tensor matrix(std::vector<float> values, int64_t rows) {
  const auto columns = int64_t(values.size()) / rows;
  return at::from_blob(values.data(), {rows, columns}).clone();
}

// A change of rank 1 of the attention output of one block of width 2, scaled by 1.
Lora atom(float a0, float a1, float b0, float b1) {
  return Lora({{.layer = 0, .part = Part::o, .a = matrix({a0, a1}, 1), .b = matrix({b0, b1}, 2)}},
              nn::BlockShape{.width = 2, .heads = 1, .hidden = 2}, 1);
}

class Two : public testing::Test {
 protected:
  // What is added to the token (x, y).
  std::vector<float> added(RoutedLora&& routed, float x, float y) const {
    const Tensor in = matrix({x, y}, 1).unsqueeze(0);
    const Tensor out = routed.after(nn::Site::proj, 0, in, at::zeros({1, 1, 2})).flatten();
    return {out[0].item<float>(), out[1].item<float>()};
  }
  std::vector<float> chosen(Atoms::Routing routing, float x, float y) const {
    return added(Atoms({&first_, &second_}, routing), x, y);
  }

  Lora first_ = atom(1, 0, 1, 0), second_ = atom(0, 1, 0, 1);
};

void expect_near(const std::vector<float>& is, float x, float y) {
  EXPECT_NEAR(is[0], x, 1e-5);
  EXPECT_NEAR(is[1], y, 1e-5);
}

// z = (3, 4), ẑ = (0.6, 0.8).
TEST_F(Two, AtomsAreChosenByTheirPartOfTheProducts) {
  expect_near(chosen({.k = 1, .temperature = 0.1}, 3, 4), 0, 4);
  // softmax(6, 8) = (0.119203, 0.880797), and the atoms add w ⊙ z.
  expect_near(chosen({.k = 2, .temperature = 0.1}, 3, 4), 3 * 0.119203f, 4 * 0.880797f);
  // The largest with their signs, not the largest sizes.
  expect_near(chosen({.k = 1, .temperature = 0.1}, -3, -4), -3, 0);
  // There are two atoms.
  expect_near(chosen({.k = 8, .temperature = 0.1}, 3, 4), 3 * 0.119203f, 4 * 0.880797f);
}

TEST_F(Two, AtomsBelowTheThresholdAddNothingAndNoneIsWeighedAnew) {
  expect_near(chosen({.k = 2, .temperature = 0.1, .threshold = 0.7}, 3, 4), 0, 4 * 0.880797f);
  expect_near(chosen({.k = 2, .temperature = 0.1, .threshold = 0.9}, 3, 4), 0, 0);
}

TEST_F(Two, SamplesHaveWeightsOfTheirOwn) {
  const Tensor in = matrix({3, 4, 3, 4}, 2).unsqueeze(1);         // two samples
  const Tensor weights = matrix({1, 0.5, 0, 2}, 2).unsqueeze(1);  // [2,1,2]
  MixedLora mixed({&first_, &second_}, weights);
  const Tensor out = mixed.after(nn::Site::proj, 0, in, at::ones({2, 1, 2}));
  EXPECT_TRUE(at::equal(out, matrix({4, 3, 1, 9}, 2).unsqueeze(1)));
  EXPECT_FALSE(mixed.acts(nn::Site::qkv));
}

// Weights of 1 add what the LoRAs add one after the other.
TEST(MixedLora, OfAllIsTheSum) {
  const nn::BlockShape shape{.width = 8, .heads = 2, .hidden = 12};
  Random random(3, 0);
  const LoraOptions options{.rank = 3, .alpha = 2, .parts = "qv", .output = true, .mlp = true};
  Lora first(options, shape, 1, random), second(options, shape, 1, random);
  NoGrad no_grad;
  for (Lora* lora : {&first, &second})
    for (auto& item : nn::tensors(*lora)) nn::init_normal(item.tensor, random, 0, 1);
  MixedLora mixed({&first, &second}, at::ones({2, 1, 2}));
  for (const auto& [site, in_width, width] : {std::tuple{nn::Site::qkv, int64_t{8}, int64_t{24}},
                                              {nn::Site::proj, 8, 8},
                                              {nn::Site::fc1, 8, 12},
                                              {nn::Site::fc2, 12, 8}}) {
    Tensor in = at::empty({2, 3, in_width}), out = at::empty({2, 3, width});
    nn::init_normal(in, random, 0, 1);
    nn::init_normal(out, random, 0, 1);
    const Tensor sum = second.after(site, 0, in, first.after(site, 0, in, out));
    EXPECT_LT((mixed.after(site, 0, in, out) - sum).abs().max().item<double>(), 1e-4);
    EXPECT_GT((sum - out).abs().max().item<double>(), 0.1);
  }
}

}  // namespace
}  // namespace patina::adapt

// The small networks that start untrained: their results, and the statistics of their batch norms.
#include <gtest/gtest.h>

#include <algorithm>

#include "patina/models/catalog.h"
#include "patina/models/vision/mlp.h"
#include "patina/models/vision/resnet.h"
#include "patina/nn/dropout.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

Tensor images(int64_t count, int64_t side, uint64_t seed = 1) {
  Random random = Seeds(seed)("images");
  Tensor pixels = at::empty({count, 3, side, side});
  nn::init_normal(pixels, random, 0, 1);
  return pixels;
}

std::unique_ptr<ResNet> small_resnet() {
  auto network = std::make_unique<ResNet>(ResNetShape{.image_size = 16, .channels = 4}, "none");
  Random random = Seeds(2)("weights");
  network->initialize(random);
  return network;
}

TEST(Mlp, IsLayersOfLinearAndReluOnGreyValues) {
  Mlp mlp({.image_size = 8, .hidden = {6, 5}}, "none");
  Random random = Seeds(1)("weights");
  mlp.initialize(random);
  const auto w = nn::tensors(mlp);
  ASSERT_EQ(w.size(), 4u);
  EXPECT_EQ(w[0].name, "layers.0.weight");
  const Tensor pixels = images(3, 8);
  Tensor x = pixels.mean(1).flatten(1);
  for (size_t layer = 0; layer < 2; ++layer)
    x = at::relu(x.mm(w[2 * layer].tensor.t()) + w[2 * layer + 1].tensor);
  EXPECT_LT(relative_error(mlp.features(pixels), x), 1e-6);
  EXPECT_EQ(mlp.width(), 5);
}

TEST(Mlp, DropsUnitsInTrainingStepsOnly) {
  Mlp mlp({.image_size = 8, .hidden = {64}, .dropout = 0.5, .input_dropout = 0.2}, "none");
  Random random = Seeds(1)("weights");
  mlp.initialize(random);
  const Tensor pixels = images(3, 8), whole = mlp.features(pixels);
  const nn::Dropping dropping(Seeds(1)("dropout"));
  EXPECT_TRUE(at::equal(mlp.features(pixels), whole)) << "a frozen one, such as a teacher";
  nn::freeze(mlp, false);
  const Tensor dropped = mlp.features(pixels);
  EXPECT_GT((dropped == 0).sum().item<int64_t>(), (whole == 0).sum().item<int64_t>());
  NoGrad no_grad;
  EXPECT_TRUE(at::equal(mlp.features(pixels), whole));
}

TEST(Mlp, IsTheOnlyOneWithDropout) {
  const auto error = [](ModelOptions options) { return error_of([&] { load_backbone(options); }); };
  EXPECT_PRED2(contains, error({.name = "resnet18_thin", .dropout = 0.5}),
               "model.dropout and model.input_dropout are of the model \"mlp\"");
  EXPECT_PRED2(contains, error({.input_dropout = 0.5}), "not of starter");
}

TEST(ResNet, HasTorchvisionsNamesAndAsManyWeightsAsItShould) {
  const auto whole = load_backbone({.name = "resnet18_small", .seed = 1});
  int64_t learned = 0;
  std::vector<std::string> names;
  for (const auto& item : nn::tensors(*whole)) {
    names.push_back(item.name);
    if (item.learned) learned += item.tensor.numel();
  }
  // torchvision's ResNet-18 has 11,176,512 below its head; its first convolution is 7x7, not 3x3.
  EXPECT_EQ(learned, 11176512 - 64 * 3 * (49 - 9));
  for (const char* name : {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight",
                           "layer2.0.downsample.0.weight", "layer4.1.bn2.bias"})
    EXPECT_EQ(std::ranges::count(names, name), 1) << name;
  NoGrad no_grad;
  EXPECT_EQ(whole->features(images(2, 32)).sizes(), (Shape{2, 512}));
}

TEST(ResNet, SaysTheSameOfASampleAloneAndInABatch) {
  const auto network = small_resnet();
  const Tensor pixels = images(5, 16);
  NoGrad no_grad;
  const Tensor together = network->features(pixels);
  EXPECT_LT(relative_error(network->features(pixels.slice(0, 2, 3)), together.slice(0, 2, 3)),
            1e-5);
}

TEST(ResNet, FollowsItsBatchesOnlyWhileItLearns) {
  const auto network = small_resnet();
  const auto statistic = [&] { return nn::tensors(*network)[3].tensor.clone(); };
  ASSERT_EQ(nn::tensors(*network)[3].name, "bn1.running_mean");
  const Tensor begin = statistic();
  network->features(images(4, 16));  // frozen
  EXPECT_TRUE(at::equal(statistic(), begin));
  nn::freeze(*network, false);
  for (const auto& item : nn::tensors(*network))
    EXPECT_EQ(item.tensor.requires_grad(), item.learned) << item.name;
  {
    const nn::FixedStatistics fixed;
    network->features(images(4, 16));
    EXPECT_TRUE(at::equal(statistic(), begin));
  }
  {
    NoGrad no_grad;
    network->features(images(4, 16));
    EXPECT_TRUE(at::equal(statistic(), begin));
  }
  network->features(images(4, 16));
  EXPECT_FALSE(at::equal(statistic(), begin));
  // A copy does not share its statistics with the original.
  const auto copy = network->clone();
  const Tensor now = statistic();
  network->features(images(4, 16, 9));
  EXPECT_TRUE(at::equal(nn::tensors(*copy)[3].tensor, now));
}

TEST(UntrainedNetworks, AreDrawnBySeed) {
  const auto first = [](int64_t seed) {
    return nn::tensors(*load_backbone({.name = "mlp", .hidden = {7}, .seed = seed}))[0].tensor;
  };
  EXPECT_TRUE(at::equal(first(3), first(3)));
  EXPECT_FALSE(at::equal(first(3), first(4)));
  EXPECT_EQ(first(3).sizes(), (Shape{7, 28 * 28}));
  EXPECT_PRED2(contains, error_of([] { load_backbone({.name = "mlp", .image_size = 1000}); }),
               "mlp takes 512 px at most");
}

}  // namespace
}  // namespace patina

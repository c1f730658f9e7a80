// The ViT against timm: every stage, the loss and the gradients of small random networks (timm
// 1.0.31), the stages of a larger one (0.6.13), and DeiT-Tiny from stored pixels to logits through
// our own preprocessing.
#include <gtest/gtest.h>

#include <cstring>

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/image/transform.h"
#include "patina/models/catalog.h"
#include "patina/nn/losses.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

struct Published {
  Fixtures fixtures;
  std::string name, about;
};

void PrintTo(const Published& network, std::ostream* out) {
  *out << testing::PrintToString(network.fixtures) << "_" << network.name;
}

class VitParity : public testing::TestWithParam<Published> {};

TEST_P(VitParity, EveryStageOfARandomNetwork) {
  PATINA_NEED_FIXTURE(folder, GetParam().fixtures, "vision");
  const Reference expected(folder / (GetParam().name + ".expected.safetensors"));
  const auto vit = load_backbone({.name = (folder / (GetParam().name + ".safetensors")).string()});
  EXPECT_EQ(vit->about(), GetParam().about);
  nn::freeze(*vit, false);
  Stages stages(int(vit->layers()));
  const Tensor features = vit->features(expected("input"), {&stages});
  EXPECT_PARITY(stages.seen.at("embeddings"), expected("embedded"));
  for (int64_t i = 0; i < vit->layers(); ++i)
    EXPECT_PARITY(stages.seen.at(fmt::format("layer{}", i)), expected(fmt::format("block{}", i)));
  EXPECT_PARITY(stages.seen.at("norm"), expected("tokens"));
  EXPECT_PARITY(vit->logits(features), expected("logits"));
  if (!expected.has("loss")) return;
  const Tensor loss = nn::cross_entropy(vit->logits(features), expected("labels"));
  EXPECT_NEAR(loss.item<double>(), expected("loss").item<double>(), 1e-5);
  loss.backward();
  EXPECT_LT(gradient_error(*vit, folder / (GetParam().name + ".grads.safetensors")), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(
    Networks, VitParity,
    testing::Values(Published{Fixtures::small, "vit_random", "ViT 2x16, 2 heads, patch 4 at 16 px"},
                    Published{Fixtures::small, "vit_pooled", "ViT 2x16, 2 heads, patch 4 at 16 px"},
                    Published{Fixtures::large, "vit_random",
                              "ViT 3x48, 4 heads, patch 8 at 32 px"}),
    testing::PrintToStringParamName());

/// The fixture's images through a transform.
Tensor prepared(const SafetensorsFile& fixture, const TransformOptions& options) {
  const auto& stored = fixture.at("image_u8_hwc");
  const Transform transform(options);
  Tensor batch = at::empty({stored.shape[0], 3, options.size, options.size});
  const size_t stride = size_t(3 * options.size * options.size);
  for (int64_t i = 0; i < stored.shape[0]; ++i) {
    Image image(int(stored.shape[1]), int(stored.shape[2]));
    std::memcpy(image.pixels.data(), stored.data.data() + size_t(i) * image.pixels.size(),
                image.pixels.size());
    transform(image, Random(), {batch.data_ptr<float>() + size_t(i) * stride, stride});
  }
  return batch;
}

class DeitTiny : public testing::Test {
 protected:
  void SetUp() override {
    PATINA_NEED_SHARED(fixture, "fixtures/vision/deit_tiny.expected.safetensors");
    PATINA_NEED_SHARED(weights, "data/deit_tiny/deit_tiny_patch16_224.safetensors");
    expected_ = SafetensorsFile::open(fixture);
    weights_ = weights.string();
  }
  Tensor expected(const char* name) { return to_tensor(expected_.at(name)); }
  std::unique_ptr<Backbone> load(int64_t size = 0) {
    return load_backbone({.name = "deit_tiny_patch16_224", .path = weights_, .image_size = size});
  }

  SafetensorsFile expected_;
  std::string weights_;
  NoGrad no_grad_;
};

TEST_F(DeitTiny, PixelsAreTheReferences) {
  const Tensor ours = prepared(expected_, {.size = 224, .normalize = "unit", .resize = 256});
  const Tensor levels = (ours.slice(0, 0, 2) * 255).round().to(at::kByte);
  EXPECT_TRUE(at::equal(levels, expected("resized256_cropped224_u8_chw_first2")));
}

TEST_F(DeitTiny, FeaturesAndLogits) {
  const auto vit = load();
  EXPECT_EQ(vit->image_input()->normalize, "imagenet");
  const Tensor features =
      vit->features(prepared(expected_, {.size = 224, .normalize = "imagenet", .resize = 256}));
  EXPECT_PARITY(features, expected("cls_features"));
  EXPECT_PARITY(vit->logits(features), expected("logits"));
}

TEST_F(DeitTiny, FeaturesInBf16KeepTheirDirection) {
  const auto vit = load();
  vit->set_engine(nn::packed_engine(nn::Precision::bf16));
  const Tensor features =
      vit->features(prepared(expected_, {.size = 224, .normalize = "imagenet", .resize = 256}));
  const Tensor cosines = at::cosine_similarity(features, expected("cls_features"), 1);
  EXPECT_GT(cosines.min().item<double>(), 0.999);
}

TEST_F(DeitTiny, UnitInput) {
  EXPECT_PARITY(
      load()->features(prepared(expected_, {.size = 224, .normalize = "unit", .resize = 256})),
      expected("cls_features_input01"));
}

TEST_F(DeitTiny, AtHalfTheSize) {
  const auto vit = load(112);
  for (const auto& item : nn::tensors(*vit))
    if (item.name == "pos_embed") {
      EXPECT_PARITY(item.tensor, expected("pos_embed_7x7"));
    }
  EXPECT_PARITY(vit->features(prepared(expected_, {.size = 112, .normalize = "imagenet"})),
                expected("cls_features_112px"));
}

}  // namespace
}  // namespace patina

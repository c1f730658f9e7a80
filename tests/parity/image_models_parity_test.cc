// Image models in the forms that people have against timm, transformers and OpenCLIP: every stage,
// features and scores of small random networks, to 1e-5; with every engine; saved and read again.
#include <gtest/gtest.h>

#include <set>

#include "patina/base/error.h"
#include "patina/models/model_folder.h"
#include "patina/models/two_tower/clip.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

constexpr double kTolerance = 1e-5;

#define EXPECT_CLOSE(actual, expected)                                                        \
  do {                                                                                        \
    const ::patina::Tensor &a_ = (actual), &e_ = (expected);                                  \
    EXPECT_LT(::patina::error_of_largest(a_, e_), kTolerance) << #actual << " " << #expected; \
  } while (false)

fs::path models(const std::string& name) {
  return fixture_folder(Fixtures::small) / "image_models" / name;
}

class ImageModel : public testing::TestWithParam<const char*> {
 protected:
  fs::path folder_ = models(GetParam());
  Reference expected_{folder_ / "expected.safetensors"};
  std::unique_ptr<Backbone> load() { return load_backbone({.name = file().string()}); }
  // Beside it lies the expected file, so that the weights are named.
  fs::path file() const { return folder_ / "model.safetensors"; }
};

TEST_P(ImageModel, EveryStage) {
  const auto vit = load();
  Stages stages(int(vit->layers()));
  const NoGrad no_grad;
  const Tensor features = vit->features(expected_("input"), {&stages});
  EXPECT_CLOSE(stages.seen.at("embeddings"), expected_("embedded"));
  for (int64_t i = 0; i < vit->layers(); ++i) {
    const std::string layer = fmt::format("layer{}", i);
    EXPECT_CLOSE(stages.seen.at(layer), expected_(layer));
  }
  EXPECT_CLOSE(vit->tokens(expected_("input")), expected_("tokens"));
  EXPECT_CLOSE(features, expected_("features"));
  if (!expected_.has("logits")) return;
  EXPECT_CLOSE(vit->logits(features), expected_("logits"));
}

TEST_P(ImageModel, ThePackedEngineComputesTheSame) {
  const auto vit = load();
  const NoGrad no_grad;
  vit->set_engine(nn::packed_engine(nn::Precision::fp32));
  EXPECT_CLOSE(vit->features(expected_("input")), expected_("features"));
  vit->set_engine(nn::packed_engine(nn::Precision::bf16));
  EXPECT_LT(error_of_largest(vit->features(expected_("input")), expected_("features")), 0.05);
}

// One file, and a folder as its library has it.
TEST_P(ImageModel, IsTheSameAfterSaving) {
  const auto vit = load();
  const NoGrad no_grad;
  const auto scratch = scratch_folder(std::string("image_models_") + GetParam());
  save_model(*vit, scratch / "one.safetensors", /*bf16=*/false);
  const MappedFile bytes(scratch / "one.safetensors");
  const auto one = open_model(bytes.bytes(), "one");
  EXPECT_TRUE(at::equal(one->features(expected_("input")), vit->features(expected_("input"))));
  EXPECT_EQ(one->image_input()->normalize, vit->image_input()->normalize);
  EXPECT_EQ(one->image_input()->interpolation, vit->image_input()->interpolation);

  write_model_folder(*vit, scratch / "folder", at::kFloat);
  const auto again = load_backbone({.name = (scratch / "folder").string()});
  EXPECT_TRUE(at::equal(again->features(expected_("input")), vit->features(expected_("input"))));
  // The names are the library's own: those of the file that was read.
  const auto read = SafetensorsFile::open(file());
  const auto written = SafetensorsFile::open(scratch / "folder" / "model.safetensors");
  for (const auto& [name, tensor] : written.tensors()) {
    ASSERT_TRUE(read.has(name)) << name;
    if (name.find("position_embeddings") == name.npos) {  // resized to the preprocessor's side
      EXPECT_EQ(tensor.shape, read.at(name).shape) << name;
    }
  }
}

// Prompts stand after the first token: those of other tokens that are read move on.
TEST_P(ImageModel, ReadsTheSameTokensBehindPrompts) {
  class Prompts : public nn::Adaptation {
   public:
    explicit Prompts(int64_t width) : rows_(random_tensor({1, 3, width}, 5)) {}
    Tensor tokens(int layer, Tensor x) override {
      if (layer > 0) return x;
      return at::cat({x.slice(1, 0, 1), rows_.expand({x.size(0), 3, -1}), x.slice(1, 1)}, 1);
    }

   private:
    Tensor rows_;
  };
  const auto vit = load();
  const NoGrad no_grad;
  Prompts prompts(vit->block().width);
  const Tensor plain = vit->features(expected_("input"), {&prompts});
  vit->set_engine(nn::packed_engine(nn::Precision::fp32));
  EXPECT_CLOSE(vit->features(expected_("input"), {&prompts}), plain);
}

INSTANTIATE_TEST_SUITE_P(Timm, ImageModel,
                         testing::Values("distilled", "registers", "placed_registers", "map",
                                         "gated", "clip_tower", "average", "eva02", "eva02_fused",
                                         "eva"));
INSTANTIATE_TEST_SUITE_P(HuggingFace, ImageModel,
                         testing::Values("hf_vit", "hf_vit_bare", "hf_deit", "hf_deit_classifier",
                                         "hf_dinov2", "hf_dinov2_registers", "hf_dinov3",
                                         "hf_dinov3_gated"));

TEST(ImageModels, PreparesImagesAsTheFilesBesideSay) {
  const auto takes = [](const char* name) {
    return *load_backbone({.name = (models(name) / "model.safetensors").string()})->image_input();
  };
  EXPECT_EQ(takes("hf_vit").normalize, "inception");
  EXPECT_EQ(takes("hf_vit").interpolation, "bilinear");
  EXPECT_EQ(takes("hf_dinov2").normalize, "imagenet");
  EXPECT_EQ(takes("hf_dinov2").interpolation, "bicubic");
  EXPECT_EQ(takes("hf_dinov2").size, 12);  // of the crop; its positions are those of 20 px
  EXPECT_EQ(takes("clip_tower").normalize, "clip");
  EXPECT_EQ(takes("clip_tower").interpolation, "bilinear");
  const std::string path = (models("hf_vit") / "model.safetensors").string();
  EXPECT_EQ(load_backbone({.name = path, .normalize = "clip"})->image_input()->normalize, "clip");
}

// DINOv2's authors' own file: a pickle with a wrapper, and other names of the same tensors. Nothing
// beside it tells the size of images, so that they are of 20 px like its positions.
TEST(ImageModels, TheirAuthorsDinov2) {
  const std::string path = (models("meta_dinov2") / "dinov2_reg.pth").string();
  const auto meta = load_backbone({.name = path, .heads = 2, .normalize = "imagenet"});
  const auto hf = load_backbone(
      {.name = (models("hf_dinov2_registers") / "model.safetensors").string(), .image_size = 20});
  const NoGrad no_grad;
  const Tensor images = random_tensor({2, 3, 20, 20}, 7);
  EXPECT_EQ(meta->image_input()->size, 20);
  EXPECT_CLOSE(meta->tokens(images), hf->tokens(images));
  const auto same =
      load_backbone({.name = path, .image_size = 12, .heads = 2, .normalize = "imagenet"});
  const Reference expected(models("hf_dinov2_registers") / "expected.safetensors");
  EXPECT_CLOSE(same->tokens(expected("input")), expected("tokens"));
}

class TwoTowers : public testing::TestWithParam<std::pair<const char*, const char*>> {
 protected:
  fs::path folder_ = models(GetParam().first);
  Reference expected_{folder_ / "expected.safetensors"};
  std::unique_ptr<Clip> load() {
    auto backbone = load_backbone({.name = (folder_ / GetParam().second).string()});
    return std::unique_ptr<Clip>(&dynamic_cast<Clip&>(*backbone.release()));
  }
};

TEST_P(TwoTowers, FeaturesAndScores) {
  const auto clip = load();
  const NoGrad no_grad;
  for (const bool packed : {false, true}) {
    if (packed) clip->set_engine(nn::packed_engine(nn::Precision::fp32));
    const Tensor images = clip->features(expected_("pixel_values"));
    const Tensor texts = clip->features(expected_("input_ids"));
    EXPECT_CLOSE(images, expected_("image_features"));
    EXPECT_CLOSE(texts, expected_("text_features"));
    EXPECT_CLOSE(clip->similarity(images, texts), expected_("logits_per_image"));
  }
}

TEST_P(TwoTowers, IsTheSameAfterSaving) {
  const auto clip = load();
  const NoGrad no_grad;
  const auto scratch = scratch_folder(std::string("two_towers_") + GetParam().first);
  save_model(*clip, scratch / "one.safetensors", /*bf16=*/false);
  const MappedFile bytes(scratch / "one.safetensors");
  const auto one = open_model(bytes.bytes(), "one");
  for (const char* input : {"pixel_values", "input_ids"})
    EXPECT_TRUE(at::equal(one->features(expected_(input)), clip->features(expected_(input))));
  write_model_folder(*clip, scratch / "folder", at::kFloat);
  const auto read = SafetensorsFile::open(folder_ / GetParam().second);
  const auto written = SafetensorsFile::open(scratch / "folder" / "model.safetensors");
  for (const auto& [name, tensor] : written.tensors()) {
    ASSERT_TRUE(read.has(name)) << name;
    EXPECT_EQ(tensor.shape, read.at(name).shape) << name;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Forms, TwoTowers,
    testing::Values(std::pair{"siglip", "model.safetensors"},
                    std::pair{"open_clip", "open_clip_model.safetensors"},
                    std::pair{"open_clip_quick", "open_clip_model.safetensors"},
                    std::pair{"open_clip_siglip", "open_clip_model.safetensors"},
                    std::pair{"open_clip_eva", "open_clip_model.safetensors"}),
    [](const auto& info) { return std::string(info.param.first); });

TEST(Siglip, StagesAndLoss) {
  const Reference expected(models("siglip") / "expected.safetensors");
  const auto loaded = load_backbone({.name = (models("siglip") / "model.safetensors").string()});
  const auto& clip = dynamic_cast<const Clip&>(*loaded);
  const NoGrad no_grad;
  Stages image(2), text(2);
  const Tensor images = clip.features(expected("pixel_values"), {&image});
  const Tensor texts = clip.features(expected("input_ids"), {&text});
  for (const char* layer : {"layer0", "layer1"}) {
    EXPECT_CLOSE(image.seen.at(layer), expected(std::string("image_") + layer));
    EXPECT_CLOSE(text.seen.at(layer), expected(std::string("text_") + layer));
  }
  EXPECT_CLOSE(clip.tokens(expected("pixel_values")), expected("image_tokens"));
  EXPECT_CLOSE(clip.tokens(expected("input_ids")), expected("text_tokens"));
  const Tensor scores = clip.similarity(images, texts);
  EXPECT_NEAR(sigmoid_loss(scores).item<double>(), expected("loss").item<double>(), 1e-5);
  // By hand: scores of 0 cost log 2 each, three a row.
  EXPECT_NEAR(sigmoid_loss(at::zeros({3, 3})).item<double>(), 3 * std::log(2.0), 1e-6);
  EXPECT_NEAR(sigmoid_loss(at::eye(2) * 200 - 100).item<double>(), 0, 1e-6);
}

// Texts are padded to the full length whatever batch they come in.
TEST(Siglip, PaddingIsTheModelsOwn) {
  const auto loaded = load_backbone({.name = (models("siglip") / "model.safetensors").string()});
  const NoGrad no_grad;
  const Tensor ids = at::arange(2, 7, at::TensorOptions(at::kLong)).unsqueeze(0);
  const Tensor alone = loaded->features(Input(ids));
  const Tensor padded = at::constant_pad_nd(ids, {0, 2}, 9);
  const Tensor mask = at::constant_pad_nd(at::ones_like(ids), {0, 2}, 0);
  EXPECT_CLOSE(loaded->features(Input(padded, mask)), alone);
}

TEST(ImageModels, OtherPreparationsAreRefused) {
  const auto scratch = scratch_folder("preparations");
  for (const char* name : {"model.safetensors", "config.json"})
    fs::copy_file(models("hf_vit") / name, scratch / name);
  const auto message = [&](const std::string& changed) {
    write_text(scratch / "preprocessor_config.json",
               R"({"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5])" + changed + "}");
    try {
      return load_backbone({.name = scratch.string()})->image_input()->normalize;
    } catch (const Error& error) {
      return std::string(error.what());
    }
  };
  EXPECT_EQ(message(""), "inception");
  EXPECT_EQ(message(R"(, "size": 12)"), "inception");
  EXPECT_EQ(message(R"(, "do_normalize": false)"), "unit");
  const std::vector<std::pair<std::string, std::string>> cases = {
      {message(R"(, "resample": 1)"), "resample = 1 is not supported, only 2 (bilinear)"},
      {message(R"(, "rescale_factor": 1)"), "rescale_factor = 1 is not supported, only 1/255"},
      {message(R"(, "size": {"height": 12, "width": 16})"), "12 x 16 pixels are no square"},
      {message(R"(, "size": {"height": "a"})"), "height = \"a\" is not a whole number"},
      {message(R"(, "image_mean": [0.1, 0.2, 0.3])"), "image_mean"}};
  for (const auto& [actual, wanted] : cases)
    EXPECT_NE(actual.find(wanted), std::string::npos) << actual << "\nexpected: " << wanted;
}

TEST(ImageModels, WhatAFileCannotTellIsAskedFor) {
  const auto scratch = scratch_folder("untold");
  const auto refused = [&](const char* name, const std::string& config) {
    fs::copy_file(models(name) / "model.safetensors", scratch / "model.safetensors",
                  fs::copy_options::overwrite_existing);
    fs::remove(scratch / "config.json");
    if (!config.empty()) write_text(scratch / "config.json", config);
    try {
      load_backbone({.name = scratch.string(), .heads = 2, .normalize = "clip"});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {refused("clip_tower", ""), "whether its activation is GELU or QuickGELU"},
      {refused("eva02", ""), "nothing tells whether its positions are rotary"},
      {refused("average", R"({"architecture": "vit", "global_pool": "avgmax"})"),
       "global_pool = \"avgmax\" is not supported"},
      {refused("hf_vit", R"({"model_type": "swin"})"),
       "model_type \"swin\" is not supported: its blocks attend in windows that shift"},
      {refused("hf_dinov3", R"({"model_type": "dinov3_vit", "hidden_size": 16,
          "num_attention_heads": 2, "mlp_bias": false})"),
       "mlp_bias = false is not supported"}};
  for (const auto& [actual, wanted] : cases)
    EXPECT_NE(actual.find(wanted), std::string::npos) << actual << "\nexpected: " << wanted;
}

}  // namespace
}  // namespace patina

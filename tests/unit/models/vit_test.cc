// The ViT and its files: every variant is restored as it was saved, and a file of another network
// is refused with a sentence.
#include "patina/models/vision/vit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "patina/checkpoint/load.h"
#include "patina/checkpoint/safetensors.h"
#include "patina/models/catalog.h"
#include "tests/support/errors.h"
#include "tests/support/heard.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

ViTShape variant(const std::function<void(ViTShape&)>& change) {
  ViTShape shape = kTinyViT;
  change(shape);
  return shape;
}

const std::map<std::string, ViTShape>& variants() {
  static const std::map<std::string, ViTShape> list = {
      {"plain", kTinyViT},
      {"no_qkv_bias", variant([](ViTShape& s) { s.qkv_bias = false; })},
      {"layer_scale", variant([](ViTShape& s) { s.layer_scale = true; })},
      {"pooled", variant([](ViTShape& s) { s.pooled_norm = true, s.final_norm = false; })},
      {"pooled_without_class_token", variant([](ViTShape& s) {
         s.pooled_norm = true, s.final_norm = false, s.class_token = false;
       })},
      {"with_head", variant([](ViTShape& s) { s.classes = 5; })},
      {"other_sizes", variant([](ViTShape& s) {
         s.image_size = 20, s.patch_size = 4, s.width = 12, s.depth = 3, s.heads = 2, s.hidden = 8;
       })},
  };
  return list;
}

Tensor input_for(const Backbone& backbone) {
  return random_tensor({2, 3, backbone.image_input()->size, backbone.image_input()->size}, 3);
}

TEST(ViT, EveryVariantRoundTripsThroughItsFile) {
  const auto folder = scratch_folder("vit");
  for (const auto& [name, shape] : variants()) {
    const auto vit = random_vit(shape, 11);
    const auto path = folder / (name + ".safetensors");
    save_vit(*vit, path, /*bf16=*/false, {{"source", "test"}});
    EXPECT_EQ(SafetensorsFile::open(path).metadata().at("source"), "test");
    const auto back = load_backbone({.name = path.string()});
    EXPECT_EQ(back->about(), vit->about()) << name;
    EXPECT_EQ(content_hash(nn::tensors(*back)), content_hash(nn::tensors(*vit))) << name;
    const Tensor input = input_for(*vit);
    EXPECT_TRUE(at::equal(back->features(input), vit->features(input))) << name;
    EXPECT_EQ(back->tokens(input).sizes(), at::IntArrayRef({2, shape.tokens(), shape.width}))
        << name;
    EXPECT_EQ(back->logits(back->features(input)).defined(), shape.classes > 0) << name;
    EXPECT_TRUE(nn::trainable(*back).empty()) << name;
    EXPECT_EQ(back->image_input()->patch, shape.patch_size);
    EXPECT_EQ(back->block().hidden, shape.hidden);
  }
}

TEST(ViT, RoundsToBf16WhenAsked) {
  const auto vit = random_vit();
  const auto path = scratch_folder("vit_bf16") / "vit.safetensors";
  save_vit(*vit, path, /*bf16=*/true);
  const auto back = load_backbone({.name = path.string()});
  const auto from = nn::tensors(*vit), to = nn::tensors(*back);
  for (size_t i = 0; i < from.size(); ++i)
    EXPECT_TRUE(at::equal(to[i].tensor, from[i].tensor.to(at::kBFloat16).to(at::kFloat)));
}

TEST(ViT, CloneHasItsOwnWeightsAndTheSameFlags) {
  const auto vit = random_vit();
  nn::tensors(*vit)[0].tensor.requires_grad_(true);
  const auto copy = vit->clone();
  EXPECT_EQ(content_hash(nn::tensors(*copy)), content_hash(nn::tensors(*vit)));
  EXPECT_EQ(nn::trainable(*copy).size(), 1u);
  NoGrad no_grad;
  nn::tensors(*copy)[1].tensor.add_(1);
  EXPECT_NE(content_hash(nn::tensors(*copy)), content_hash(nn::tensors(*vit)));
}

TEST(ViT, AnImageAloneGivesWhatItGivesInABatch) {
  const auto vit = random_vit();
  const Tensor input = input_for(*vit);
  EXPECT_LT(relative_error(vit->features(input.slice(0, 1)), vit->features(input).slice(0, 1)),
            1e-6);
}

TEST(ViT, InitialisesAsTimm) {
  ViT vit(variant([](ViTShape& s) { s.width = 96, s.hidden = 384, s.classes = 4; }));
  Random random = Seeds(1)("vit");
  vit.initialize(random);
  for (const auto& item : nn::tensors(vit)) {
    const Tensor& t = item.tensor;
    const float largest = t.abs().max().item<float>();
    const bool norm = item.name.find("norm") != std::string::npos;
    if (norm && item.name.ends_with(".weight")) {
      EXPECT_TRUE(at::equal(t, at::ones(t.sizes()))) << item.name;
    } else if (item.name.starts_with("head.") || item.name.ends_with(".bias")) {
      EXPECT_EQ(largest, 0) << item.name;
    } else if (item.name.starts_with("blocks.")) {
      EXPECT_NEAR(largest, 0.04, 0.001) << item.name;
    }
  }
}

TEST(LoadBackbone, TakesHeadsFromOptionsThenTheFileThenTheWidth) {
  const auto folder = scratch_folder("vit_heads");
  const auto vit = random_vit(variant([](ViTShape& s) { s.width = 128, s.heads = 4; }));
  save_vit(*vit, folder / "with.safetensors", false);
  std::map<std::string, StoredTensor> stored;
  for (const auto& item : nn::tensors(*vit)) stored[item.name] = to_stored(item.tensor);
  write_safetensors(folder / "without.safetensors", stored);
  write_safetensors(folder / "bad.safetensors", stored, {{"heads", "many"}});
  const auto heads = [&](const std::string& file, int64_t asked) {
    return load_backbone({.name = (folder / file).string(), .heads = asked})->block().heads;
  };
  EXPECT_EQ(heads("with.safetensors", 0), 4);
  EXPECT_EQ(heads("with.safetensors", 8), 8);
  EXPECT_EQ(heads("without.safetensors", 0), 2);
  EXPECT_EQ(heads("bad.safetensors", 0), 2);
  EXPECT_PRED2(contains, error_of([&] { heads("with.safetensors", 3); }),
               "3 heads do not divide the width 128: set model.heads");
}

// A folder as timm publishes it: tensors without metadata, and its own config.json.
fs::path timm_folder(const std::string& name, const ViTShape& shape, const std::string& config) {
  const auto folder = scratch_folder(name);
  std::map<std::string, StoredTensor> stored;
  const auto vit = random_vit(shape);
  for (const auto& item : nn::tensors(*vit)) stored[item.name] = to_stored(item.tensor);
  write_safetensors(folder / "model.safetensors", stored);
  if (!config.empty()) write_text(folder / "config.json", config);
  return folder;
}

ViTShape narrow_patches(int64_t width) {
  return variant([&](ViTShape& s) {
    s.width = width, s.depth = 1, s.heads = 16, s.hidden = 8, s.patch_size = 4, s.image_size = 8;
  });
}

TEST(LoadBackbone, TakesHeadsAndNormalisationFromTimmsConfig) {
  const auto folder = timm_folder("timm_huge", narrow_patches(1280),
                                  R"({"architecture": "vit_huge_patch14_224", "num_classes": 0,
      "pretrained_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}})");
  const Heard heard;
  const auto vit = load_backbone({.name = folder.string()});
  EXPECT_EQ(vit->block().heads, 16);
  EXPECT_EQ(vit->image_input()->normalize, "inception");
  EXPECT_EQ(load_backbone({.name = folder.string(), .heads = 20})->block().heads, 20);
  EXPECT_EQ(load_backbone({.name = folder.string(), .normalize = "clip"})->image_input()->normalize,
            "clip");
  EXPECT_EQ(heard.text(), "");
  // In the form of older versions of timm, with arguments.
  write_text(folder / "config.json", R"({"architecture": "vit_huge_patch14_224",
      "model_args": {"num_heads": 10}, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]})");
  const auto older = load_backbone({.name = folder.string()});
  EXPECT_EQ(older->block().heads, 10);
  EXPECT_EQ(older->image_input()->normalize, "imagenet");
}

TEST(LoadBackbone, AsksForHeadsAndTellsWhatItAssumes) {
  const auto folder = timm_folder("timm_bare", narrow_patches(1280), "");
  EXPECT_PRED2(contains, error_of([&] { load_backbone({.name = folder.string()}); }),
               "ViT-H of this width 1280 has 16, not one per 64 channels: set model.heads");
  const Heard heard;
  load_backbone({.name = folder.string(), .heads = 16});
  EXPECT_PRED2(contains, heard.text(), "ImageNet's mean and deviation are assumed");
  const auto strange = timm_folder("timm_strange", kTinyViT, R"({"architecture": "vit_tiny_patch8",
      "pretrained_cfg": {"mean": [0.1, 0.2, 0.3], "std": [1, 1, 1]}})");
  EXPECT_PRED2(contains, error_of([&] { load_backbone({.name = strange.string()}); }),
               "mean = [0.1, 0.2, 0.3] and std = [1, 1, 1] are not a normalisation");
  const auto mean = timm_folder("timm_mean", kTinyViT,
                                R"({"architecture": "vit_tiny_patch8", "global_pool": "avgmax"})");
  EXPECT_PRED2(contains, error_of([&] { load_backbone({.name = mean.string()}); }),
               "global_pool = \"avgmax\" is not supported");
}

TEST(LoadBackbone, ANameAndItsWeightsBelongTogether) {
  const auto folder = scratch_folder("vit_named");
  const auto small = ViTShape{
      .image_size = 32, .patch_size = 4, .width = 192, .depth = 6, .heads = 3, .hidden = 768};
  const auto path = (folder / "vit.safetensors").string();
  const auto named = [&](const std::string& name) {
    return error_of([&] { load_backbone({.name = name, .path = path}); });
  };
  save_vit(*random_vit(small), path, false);
  EXPECT_EQ(named("starter"), "");
  EXPECT_PRED2(contains, named("vit_small_patch16_224"),
               "these are the weights of ViT 6x192, 3 heads, patch 4 at 32 px, but "
               "vit_small_patch16_224 is ViT 12x384, 6 heads, patch 16 at 224 px");
  EXPECT_PRED2(contains, named("no_such_model"), "\"no_such_model\" is none");
  EXPECT_PRED2(contains, named("mlp"), "starts untrained");
  EXPECT_PRED2(contains, named(path), "a file or folder by itself is model.name");
  // Other heads in the file's metadata are another network, unless the options ask for them.
  auto other = small;
  other.heads = 6;
  save_vit(*random_vit(other), path, false);
  EXPECT_PRED2(contains, named("starter"), "6 heads, patch 4 at 32 px, but starter is");
  EXPECT_EQ(load_backbone({.name = "starter", .path = path, .heads = 6})->block().heads, 6);
}

TEST(LoadBackbone, TakesANamesHeadsAndNormalisationWhereTheFileTellsNone) {
  const auto named = std::ranges::find(model_list(), "vit_tiny_patch16_224", &ModelInfo::name);
  ASSERT_NE(named, model_list().end());
  auto shape = named->shape;
  const auto folder = timm_folder("vit_named_bare", shape, "");
  const Heard heard;
  const auto vit = load_backbone({.name = "vit_tiny_patch16_224", .path = folder.string()});
  EXPECT_EQ(vit->block().heads, 3);
  EXPECT_EQ(vit->image_input()->normalize, "inception");
  EXPECT_EQ(heard.text(), "");
}

TEST(LoadBackbone, SaysWhatToDo) {
  EXPECT_PRED2(contains, error_of([] { load_backbone({.name = "deit_tiny_patch16_22"}); }),
               "did you mean \"deit_tiny_patch16_224\"?");
  EXPECT_PRED2(contains, error_of([] { load_backbone({.name = "deit_tiny_patch16_224"}); }),
               "model.path");
  const auto path = scratch_folder("vit_options") / "vit.safetensors";
  save_vit(*random_vit(), path, false);
  EXPECT_PRED2(contains,
               error_of([&] { load_backbone({.name = path.string(), .image_size = 20}); }),
               "20 px is not a multiple of the patch size 8");
  EXPECT_PRED2(contains,
               error_of([&] { load_backbone({.name = path.string(), .image_size = 1 << 30}); }),
               "above the limit");
  save_vit(*std::make_unique<ViT>(kTinyViT, "vivid"), path, false);
  EXPECT_PRED2(contains, error_of([&] { load_backbone({.name = path.string()}); }), "vivid");
}

using Tensors = std::map<std::string, Tensor>;

// The error of reading a file with these changes to a ViT's tensors.
std::string message(const std::function<void(Tensors&)>& change) {
  const auto path = scratch_folder("vit_hostile") / "vit.safetensors";
  Tensors tensors;
  for (const auto& item : nn::tensors(*random_vit())) tensors[item.name] = item.tensor;
  change(tensors);
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) stored[name] = to_stored(tensor);
  write_safetensors(path, stored, {{"heads", "3"}});
  return error_of([&] { load_backbone({.name = path.string()}); });
}

TEST(VitShape, RefusesWhatIsNotAViT) {
  EXPECT_EQ(message([](Tensors&) {}), "");
  EXPECT_PRED2(contains, message([](Tensors& t) { t.clear(); }), "neither timm's names of a ViT");
  EXPECT_PRED2(contains, message([](Tensors& t) { t.erase("pos_embed"); }),
               "there is no pos_embed");
  EXPECT_PRED2(contains, message([](Tensors& t) { t.erase("cls_token"); }), "needs fc_norm");
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t["pos_embed"] = at::ones({1, 3, 24});
               }),
               "pos_embed [1, 3, 24] is not that of a square image");
  // 17 rows are of 16 patches and the class token, or of 9 patches, the class token and 7
  // registers.
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t["reg_token"] = at::ones({1, 7, 24});
                 t["pos_embed"] = at::ones({1, 17, 24});
               }),
               "images of several sizes");
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t["pos_embed"] = at::ones({2, 5, 24});
               }),
               "wrong shape: pos_embed is [2, 5, 24], the network needs [1, 5, 24]");
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t["pos_embed"] = at::ones({1, 5, 25});
               }),
               "wrong shape: pos_embed");
  for (const Shape& shape : {Shape{}, Shape{24}, Shape{24, 3, 8}, Shape{0, 3, 8, 8},
                             Shape{24, 3, 8, 0}, Shape{24, 3, 8, 4}, Shape{24, 1, 8, 8},
                             Shape{25, 3, 8, 8}, Shape{1, 3, 1, 1}, Shape{200000, 1, 1, 1}})
    EXPECT_NE(message([&](Tensors& t) { t["patch_embed.proj.weight"] = at::ones(shape); }), "")
        << shape_text(shape);
  for (const char* name : {"blocks.0.mlp.fc1.weight", "blocks.1.attn.qkv.weight", "norm.weight",
                           "blocks.0.norm1.weight", "cls_token", "pos_embed"})
    for (const Shape& shape :
         {Shape{}, Shape{0}, Shape{1}, Shape{0, 24}, Shape{100000, 1}, Shape{1, 100000, 1}})
      EXPECT_PRED2(contains, message([&](Tensors& t) { t[name] = at::ones(shape); }),
                   "vit.safetensors: ")
          << name << shape_text(shape);
  EXPECT_PRED2(contains, message([](Tensors& t) { t.erase("blocks.0.norm1.weight"); }),
               "the weights do not fit the network");
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t["head.weight"] = at::ones({300000, 1});
               }),
               "wrong shape: head.weight is [300000, 1], the network needs [300000, 24]");
}

// The file of a ViT whose names were changed by `rename`.
std::string renamed_file(const std::function<std::string(const std::string&)>& rename,
                         const Tensors& more = {}) {
  const auto path = scratch_folder("vit_prefix") / "vit.safetensors";
  Tensors tensors = more;
  for (const auto& item : nn::tensors(*random_vit())) tensors[rename(item.name)] = item.tensor;
  std::map<std::string, StoredTensor> stored;
  for (const auto& [name, tensor] : tensors) stored[name] = to_stored(tensor);
  write_safetensors(path, stored, {{"heads", "3"}, {"normalize", "imagenet"}});
  return path.string();
}

TEST(VitNames, AWrappersPrefixIsTakenOff) {
  const std::string hash = content_hash(nn::tensors(*random_vit()));
  for (const std::string prefix :
       {"module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module.", "backbone.",
        "base_model.model.", "model.encoder."}) {
    const auto path = renamed_file([&](const std::string& name) { return prefix + name; });
    EXPECT_TRUE(is_model(path)) << prefix;
    EXPECT_EQ(content_hash(nn::tensors(*load_backbone({.name = path}))), hash) << prefix;
  }
  const auto two = renamed_file([](const std::string& name) { return "encoder." + name; },
                                {{"text.positional_embedding", at::ones({2, 2})}});
  EXPECT_PRED2(contains, error_of([&] { load_backbone({.name = two}); }),
               "behind the prefix \"encoder.\", beside others such as text.positional_embedding");
  const auto trunk = renamed_file([](const std::string& name) { return "visual.trunk." + name; },
                                  {{"text.positional_embedding", at::ones({2, 2})}});
  EXPECT_PRED2(contains, error_of([&] { load_backbone({.name = trunk}); }),
               "an OpenCLIP network with an image tower of timm's (visual.trunk.): put its "
               "open_clip_config.json beside it");
}

TEST(VitNames, PartsOfPreTrainingAreLeftAndUnknownPartsNamed) {
  EXPECT_EQ(message([](Tensors& t) {
              t["mask_token"] = at::ones({1, 24});
              t["decoder_blocks.0.norm1.weight"] = at::ones({8});
              t["decoder_pos_embed"] = at::ones({1, 5, 8});
            }),
            "");
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t["blocks.0.attn.relative_position_bias_table"] = at::ones({4, 3});
               }),
               "BEiT, with relative positions");
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t["pre_logits.fc.weight"] = at::ones({24, 24});
               }),
               "unexpected: pre_logits.fc.weight");
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t.clear();
                 t["base_model.model.q_proj.lora_A.weight"] = at::ones({2, 24});
               }),
               "the weights of a LoRA adapter");
}

TEST(VitShape, StopsBeforeAGiantIsAllocated) {
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 t["patch_embed.proj.weight"] = at::ones({3'000'000, 1, 1, 1});
               }),
               "tensors are missing or of the wrong shape");
  EXPECT_PRED2(contains, message([](Tensors& t) {
                 for (int i = 2; i < 3000; ++i)
                   t[fmt::format("blocks.{}.norm1.weight", i)] = at::ones({1});
               }),
               "tensors are missing or of the wrong shape");
}

// Two frequencies a direction, theta^0 and theta^(-1/2); a grid of 2 x 2.
TEST(GridAngles, AreThoseOfTheRowAndTheColumn) {
  constexpr float pi = 3.14159265f;
  const auto row = [](const GridRotary& rotary, int64_t patch) {
    const Tensor angles = grid_angles(rotary, 2, 8);
    EXPECT_EQ(angles.sizes(), at::IntArrayRef({4, 4}));
    const auto* from = angles.data_ptr<float>() + patch * 4;
    return std::vector<float>(from, from + 4);
  };
  const auto near = [](const std::vector<float>& actual, const std::vector<float>& expected) {
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(actual[i], expected[i], 1e-5) << i;
  };
  // DINOv3: the middles of the patches are at -1/2 and 1/2, in full turns.
  const GridRotary middles{.theta = 100};
  near(row(middles, 0), {-pi, -0.1f * pi, -pi, -0.1f * pi});
  near(row(middles, 1), {-pi, -0.1f * pi, pi, 0.1f * pi});
  near(row(middles, 2), {pi, 0.1f * pi, -pi, -0.1f * pi});
  // EVA-02: the second patch is at 8 of a grid of 16.
  const GridRotary counted{.theta = 10000, .interleaved = true, .grid = 16};
  near(row(counted, 1), {0, 0, 8, 0.08f});
  near(row(counted, 2), {8, 0.08f, 0, 0});
}

TEST(ResizePosEmbed, KeepsTheClassTokenAndAnEvenGrid) {
  const Tensor even = at::full({1, 17, 3}, 0.25);
  EXPECT_LT(relative_error(resize_pos_embed(even, 7, true), at::full({1, 50, 3}, 0.25)), 1e-6);
  const Tensor mixed = random_tensor({1, 17, 3}, 1);
  EXPECT_TRUE(at::equal(resize_pos_embed(mixed, 7, true).slice(1, 0, 1), mixed.slice(1, 0, 1)));
  EXPECT_LT(relative_error(resize_pos_embed(mixed, 4, true), mixed), 1e-6);
  EXPECT_EQ(resize_pos_embed(mixed.slice(1, 1), 2, false).sizes(), at::IntArrayRef({1, 4, 3}));
}

}  // namespace
}  // namespace patina

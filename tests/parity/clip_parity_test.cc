// CLIP against transformers (small networks) and openai/CLIP (large ones): every stage of both
// towers under both spellings of the weights.
#include <gtest/gtest.h>

#include "patina/models/two_tower/clip.h"
#include "patina/nn/heads.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

struct Spelling {
  Fixtures fixtures;
  std::string folder, weights;
};

std::string name_of(const Spelling& spelling) {
  return testing::PrintToString(spelling.fixtures) + "_" + spelling.folder + "_" + spelling.weights;
}

void PrintTo(const Spelling& spelling, std::ostream* out) {
  *out << name_of(spelling);
}

class ClipParity : public testing::TestWithParam<Spelling> {};

std::unique_ptr<Clip> load(const fs::path& path) {
  auto backbone = load_backbone({.name = path.string()});
  return std::unique_ptr<Clip>(&dynamic_cast<Clip&>(*backbone.release()));
}

TEST_P(ClipParity, StagesLossAndGradients) {
  PATINA_NEED_FIXTURE(folder, GetParam().fixtures, "clip/" + GetParam().folder);
  const Reference expected(folder / "clip.expected.safetensors");
  const auto clip = load(folder / (GetParam().weights + ".safetensors"));
  nn::freeze(*clip, false);
  const Input pixels = expected("pixel_values"), ids = expected("input_ids");
  Stages image(int(clip->layers())), text(int(clip->text().shape().depth));
  const Tensor images = clip->features(pixels, {&image}), texts = clip->features(ids, {&text});
  EXPECT_PARITY(image.seen.at("embeddings"), expected("vision_pre_layernorm"));
  EXPECT_PARITY(clip->before_projection(pixels), expected("vision_pooled"));
  EXPECT_PARITY(text.seen.at("embeddings"), expected("text_embeddings"));
  for (const auto& [tower, stages] : {std::pair{"vision_", &image}, {"text_", &text}})
    for (const auto& [name, value] : stages->seen)
      if (name.starts_with("layer")) EXPECT_PARITY(value, expected(tower + name));
  EXPECT_PARITY(text.seen.at("norm"), expected("text_last_hidden_state"));
  EXPECT_PARITY(clip->before_projection(ids), expected("text_pooled"));
  EXPECT_PARITY(images, expected("image_features"));
  EXPECT_PARITY(texts, expected("text_features"));
  EXPECT_PARITY(normalized(images), expected("image_features_normalised"));
  EXPECT_PARITY(normalized(texts), expected("text_features_normalised"));
  const Tensor scores = clip->similarity(images, texts);
  EXPECT_PARITY(scores, expected("logits_per_image"));
  EXPECT_PARITY(scores.t(), expected("logits_per_text"));
  const Tensor loss = contrastive_loss(scores);
  EXPECT_NEAR(loss.item<double>(), expected("loss").item<double>(), 1e-5);
  loss.backward();
  // Whatever the weights were called, the gradients are the same tensors of ours.
  EXPECT_LT(gradient_error(*clip, folder / "model.grads.safetensors"), 1e-4);
}

TEST_P(ClipParity, HalfPrecisionWeights) {
  PATINA_NEED_FIXTURE(folder, GetParam().fixtures, "clip/" + GetParam().folder);
  const Reference expected(folder / "openai_f16.expected.safetensors");
  const auto clip = load(folder / "openai_f16.safetensors");
  const Reference inputs(folder / "clip.expected.safetensors");
  const Tensor images = clip->features(inputs("pixel_values"));
  const Tensor texts = clip->features(inputs("input_ids"));
  EXPECT_PARITY(images, expected("image_features"));
  EXPECT_PARITY(texts, expected("text_features"));
  EXPECT_PARITY(clip->similarity(images, texts), expected("logits_per_image"));
}

INSTANTIATE_TEST_SUITE_P(Spellings, ClipParity,
                         testing::Values(Spelling{Fixtures::small, "clip", "openai"},
                                         Spelling{Fixtures::small, "clip", "model"},
                                         Spelling{Fixtures::large, "clip", "openai"},
                                         Spelling{Fixtures::large, "clip", "model"},
                                         Spelling{Fixtures::large, "clip_width64", "openai"},
                                         Spelling{Fixtures::large, "clip_width64", "model"}),
                         [](const auto& info) { return name_of(info.param); });

}  // namespace
}  // namespace patina

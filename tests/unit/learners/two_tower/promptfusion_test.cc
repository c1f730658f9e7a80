// PromptFusion's two networks, their mixture and its loss, computed anew from a state.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/adapt/per_sample.h"
#include "patina/image/transform.h"
#include "patina/learn/adapted.h"
#include "patina/learn/class_texts.h"
#include "patina/models/catalog.h"
#include "patina/ops.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

std::vector<std::string> fusion_settings(const std::string& more = "learner.lite=false") {
  return {"learner.memory=12", "learner.context=3", "learner.image_tokens=2",
          "learner.vit_tokens=5", more};
}

/// CLIP's and the ViT's scores of images from a state: [B,K].
struct FusionByHand {
  explicit FusionByHand(TowerCourse& course) : state(course.state()), names(course.names()) {
    vit->resize_input(16);
  }
  Tensor image_features(const Tensor& pixels, const Backbone& clip) const {
    Random random;
    const auto prompt =
        make_prompt({.tokens = 2, .deep = false}, tower_of(clip, nn::Tower::image), random);
    nn::tensors(*prompt).front().tensor.detach().copy_(state.at("learned.image"));
    return clip.features(pixels, {prompt.get()});
  }
  Tensor by_texts(const Tensor& pixels, const Backbone& clip) const {
    const ClassTexts texts(clip, {.templates = {"{}."}}, 3);
    std::vector<Tensor> rows;
    for (size_t c = 0; c < names.size(); ++c) {
      Random random;
      const auto context = make_context(3, clip, random);
      nn::tensors(*context).front().tensor.detach().copy_(
          state.at("contexts.parts." + std::to_string(c / 2))[int64_t(c % 2)]);
      rows.push_back(texts.encoded({names[c]}, {context.get()}));
    }
    return clip.similarity(image_features(pixels, clip), at::cat(rows));
  }
  Tensor by_vit(const Tensor& pixels) const {
    const Normalization from = normalization("clip"), to = normalization("imagenet");
    Tensor shown = pixels.clone();
    for (int64_t c = 0; c < 3; ++c) {
      const auto i = size_t(c);
      const Tensor grey = pixels.select(1, c) * from.deviation[i] + from.mean[i];
      shown.select(1, c).copy_((grey - to.mean[i]) / to.deviation[i]);
    }
    adapt::SamplePrompt prompt(state.at("learned.vit").expand({pixels.size(0), -1, -1}));
    const Tensor read = vit->tokens(shown, {&prompt}).slice(1, 1, 6).mean(1);
    return at::matmul(read, state.at("head.weight").t()) + state.at("head.bias");
  }
  double share() const { return 1 / (1 + std::exp(-state.at("learned.mix").item<double>())); }

  std::map<std::string, Tensor> state;
  std::vector<std::string> names;
  std::unique_ptr<ViT> vit = load_vit({.name = "starter"});
};

TEST(PromptFusion, MixesTheScoresOfTwoNetworks) {
  TowerCourse course("promptfusion", fusion_settings());
  course.learn();
  const Tensor earlier = course.state().at("contexts.parts.0").clone();
  course.learn();
  const Batch batch = course.tested();
  const FusionByHand hand(course);
  EXPECT_TRUE(at::equal(hand.state.at("contexts.parts.0"), earlier)) << "words of earlier classes";
  NoGrad no_grad;
  const Tensor pixels = batch.input.pixels();
  const Tensor a = hand.by_texts(pixels, *course.pristine), b = hand.by_vit(pixels);
  const double share = hand.share();
  EXPECT_NE(share, 1 / (1 + std::exp(-1.0))) << "it is learned";
  EXPECT_LT(relative_error(course.scores(batch), a * (1 - share) + b * share), 1e-4);
}

TEST(PromptFusion, WeighsEarlierAndNewClassesByLearnedNumbers) {
  TowerCourse course("promptfusion", fusion_settings());
  course.learn();
  course.begin();
  {
    NoGrad no_grad;
    Tensor weights = course.drive.learner->trainable().front().tensors.back();
    weights.copy_(float_tensor({0.3, -0.2, 0.8, 2}));
  }
  const Batch batch = course.batch().joined(course.drive.test_batch(0));
  const double loss = course.drive.learner->loss(batch, {}).item<double>();
  const FusionByHand hand(course);
  NoGrad no_grad;
  const Tensor pixels = batch.input.pixels();
  const double share = hand.share();
  const Tensor said = at::log_softmax(
      (hand.by_texts(pixels, *course.pristine) * (1 - share) + hand.by_vit(pixels) * share)
          .to(at::kDouble),
      1);
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  // One earlier task: t/2 is a half.
  const std::vector<double> weight = {0.5 / sigmoid(0.3), 0.5 / sigmoid(-0.2), sigmoid(0.8),
                                      sigmoid(2)};
  double sum = 0;
  for (int64_t i = 0; i < batch.size(); ++i) {
    const int64_t y = batch.target[i].item<int64_t>();
    sum -= weight[size_t(y)] * said[i][y].item<double>();
  }
  EXPECT_NEAR(loss, sum / double(batch.size()), 1e-4);
}

TEST(PromptFusion, AGateChoosesTheImagesOfTheSecondNetwork) {
  TowerCourse course("promptfusion", fusion_settings("learner.lite=true"));
  course.learn();
  course.learn();
  // The gate is set so that it divides the images.
  const Batch batch = course.tested().joined(course.drive.test_batch(0));
  FusionByHand hand(course);
  NoGrad no_grad;
  const Tensor pixels = batch.input.pixels();
  const Tensor f = hand.image_features(pixels, *course.pristine);
  const auto gate = [&] {
    const auto linear = [&](const char* layer, const Tensor& x) {
      return at::matmul(x, hand.state.at(std::string("learned.") + layer + ".weight").t()) +
             hand.state.at(std::string("learned.") + layer + ".bias");
    };
    const Tensor h = linear("gate_in", f);
    return linear("gate_out", h * 0.5 * ((h / std::sqrt(2.0)).erf() + 1));
  };
  {
    const Tensor margin = gate().select(1, 1) - gate().select(1, 0);
    const auto groups = course.drive.learner->trainable();
    Tensor bias;
    for (const Tensor& tensor : groups.front().tensors)
      if (tensor.sizes() == at::IntArrayRef{2} && tensor.defined()) bias = tensor;
    ASSERT_TRUE(bias.defined());
    bias[0] += margin.median().item<double>() + 1e-4;
    hand.state = course.state();
  }
  const Tensor chosen = gate().select(1, 1) > gate().select(1, 0);
  const int64_t count = chosen.sum().item<int64_t>();
  EXPECT_GT(count, 0);
  EXPECT_LT(count, batch.size());
  // What was computed of the texts before is not stale: gates are read anew.
  const Tensor a = hand.by_texts(pixels, *course.pristine), b = hand.by_vit(pixels);
  const double share = hand.share();
  const Tensor scores = course.scores(batch);
  for (int64_t i = 0; i < batch.size(); ++i)
    EXPECT_LT(relative_error(scores[i],
                             chosen[i].item<bool>() ? a[i] * (1 - share) + b[i] * share : a[i]),
              1e-4)
        << i;
}

TEST(PromptFusion, ALiteLossDrawsTowardsItsUsage) {
  const auto loss_with = [](const char* weight) {
    auto settings = fusion_settings("learner.lite=true");
    settings.push_back("learner.usage=0");
    settings.push_back(std::string("learner.usage_weight=") + weight);
    TowerCourse course("promptfusion", settings);
    course.begin();
    return course.drive.learner->loss(course.batch(), {}).item<double>();
  };
  const double none = loss_with("0"), one = loss_with("1"), two = loss_with("2");
  EXPECT_GT(one, none);
  EXPECT_LT(one - none, 1);
  EXPECT_NEAR(two - none, 2 * (one - none), 1e-4);
}

// Gating texts apart, an earlier task's atoms stay, and what is near to none of them is CLIP's.
TEST(ClipMoram, KeepsAtomsAndLeavesAloneWhatIsNearToNone) {
  TowerCourse course("clip_moram", {"learner.threshold=1"});
  course.learn();
  const auto first = course.state();
  course.learn();
  const auto second = course.state();
  int64_t learned = 0;
  for (const auto& [key, tensor] : first)
    if (key.starts_with("image_0.") || key.starts_with("text_0.")) {
      EXPECT_TRUE(at::equal(tensor, second.at(key))) << key;
      learned += key.ends_with(".b") && tensor.abs().max().item<float>() > 0;
    }
  EXPECT_GT(learned, 0) << "without a threshold in training";
  // A part of 1 is reached by nothing: the products of a token have several parts.
  NoGrad no_grad;
  const Batch batch = course.tested();
  const ClassTexts texts(*course.pristine, {});
  EXPECT_LT(relative_error(course.scores(batch),
                           course.pristine->similarity(course.pristine->features(batch.input),
                                                       texts.encoded(course.names()))),
            1e-5);
}

}  // namespace
}  // namespace patina

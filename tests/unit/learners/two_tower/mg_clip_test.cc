// MG-CLIP: how long it trains, and how texts and images classify together.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/algebra/cosine.h"
#include "patina/learn/adapted.h"
#include "patina/learn/class_texts.h"
#include "patina/ops.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

using State = std::map<std::string, Tensor>;

/// The LoRA of a state, for the untouched network.
std::unique_ptr<adapt::Lora> lora_of(const State& state, const std::string& tower,
                                     const Backbone& clip) {
  Random random;
  auto lora =
      make_lora({.rank = 8, .alpha = 8, .parts = "kv"},
                tower_of(clip, tower == "image" ? nn::Tower::image : nn::Tower::text), random);
  NoGrad no_grad;
  for (auto& item : nn::tensors(*lora)) item.tensor.copy_(state.at(tower + "_lora." + item.name));
  return lora;
}

TEST(MgClip, AddsTheProbabilitiesOfTextsAndImages) {
  TowerCourse course("mg_clip", {"learner.visual_weight=3.0"});
  course.learn();
  course.learn();
  const State state = course.state();
  const Backbone& clip = *course.pristine;
  const auto image = lora_of(state, "image", clip), text = lora_of(state, "text", clip);
  const ClassTexts texts(clip, {});
  NoGrad no_grad;
  const Batch batch = course.tested().joined(course.drive.test_batch(0));
  const Tensor f = normalized(clip.features(batch.input, {image.get()})).to(at::kDouble);
  const double scale = std::exp([&] {
    for (const auto& item : nn::tensors(*course.network))
      if (item.name == "logit_scale") return item.tensor.item<double>();
    return 0.0;
  }());
  const auto probabilities = [&](const Tensor& rows) {
    return at::softmax(at::matmul(f, normalized(rows).to(at::kDouble).t()) * scale, 1);
  };
  const Tensor by_text = probabilities(texts.encoded(course.names(), {text.get()}));
  const Tensor by_image =
      probabilities(at::cat({state.at("rows.parts.0"), state.at("rows.parts.1")}));
  EXPECT_LT(relative_error(course.scores(batch), (by_text + by_image * 3) / 4), 1e-5);
  // The classifier on images has the scale of similarities: its answers are not nearly uniform.
  EXPECT_GT(by_image.amax(1).mean().item<double>(), 0.3);
}

TEST(MgClip, TheImagesRowsBeginAtClassMeans) {
  TowerCourse course("mg_clip", {"learner.visual_rate=1e-9"});
  course.learn();
  const State state = course.state();
  const auto image = lora_of(state, "image", *course.pristine);
  NoGrad no_grad;
  const Batch batch = course.batch();
  const Tensor f = normalized(course.pristine->features(batch.input, {image.get()}));
  for (int64_t c = 0; c < 2; ++c)
    EXPECT_LT(relative_error(state.at("rows.parts.0")[c],
                             f.index_select(0, (batch.target == c).nonzero().squeeze(1)).mean(0)),
              1e-5);
}

/// The states before the first step of a task, after each of its steps, and after it.
std::vector<State> steps_of(TowerCourse& course) {
  std::vector<State> states;
  course.task = *course.drive.stream.next();
  Learner& learner = *course.drive.learner;
  learner.begin_task(*course.task, course.drive.trainer);
  states.push_back(course.state());
  Trainer trainer({.epochs = 4,
                   .batch_size = 12,
                   .optimizer = {.optimizer = "adam", .lr = 0.01, .schedule = "constant"}},
                  course.drive.rig.train_feed(), course.drive.rig.test_feed(),
                  course.drive.rig.pool(), Seeds(7), [&] { states.push_back(course.state()); });
  learner.fit(*course.task, trainer);
  learner.end_task(*course.task, trainer);
  states.push_back(course.state());
  return states;
}

bool same(const State& a, const State& b) {
  for (const auto& [key, tensor] : a)
    if (key.find("_lora.") != key.npos && !at::equal(tensor, b.at(key))) return false;
  return true;
}

// Two steps an epoch; the classifier on images takes one epoch.
TEST(MgClip, StopsWhereTheScoresOfWrongClassesHaveMoved) {
  TowerCourse course("mg_clip", {"learner.drift=1e-7", "learner.visual_epochs=1"});
  const auto first = steps_of(course);
  ASSERT_EQ(first.size(), 1u + 4 * 2 + 2 + 1);
  EXPECT_FALSE(same(first[0], first[2]));
  EXPECT_TRUE(same(first.back(), first[2])) << "what the first epoch learned remains";
  const auto second = steps_of(course);
  ASSERT_EQ(second.size(), 1u + 2 + 2 + 1) << "later tasks take as many epochs: one";
  EXPECT_FALSE(same(second[0], second[2]));
  EXPECT_TRUE(same(second.back(), second[2]));
}

TEST(MgClip, TrainsAllEpochsWhereTheyStay) {
  TowerCourse course("mg_clip", {"learner.drift=1e7", "learner.visual_epochs=1"});
  const auto first = steps_of(course);
  EXPECT_TRUE(same(first.back(), first[8]));
  EXPECT_FALSE(same(first.back(), first[6]));
  EXPECT_EQ(steps_of(course).size(), 1u + 4 * 2 + 2 + 1);
}

}  // namespace
}  // namespace patina

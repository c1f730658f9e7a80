// PROOF's three comparisons and its loss, computed anew for one image at a time.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/learn/class_texts.h"
#include "patina/ops.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

/// A state's numbers in double.
struct ByHand {
  explicit ByHand(TowerCourse& course) : state(course.state()), tasks(course.task->index + 1) {}

  Tensor at(const std::string& key) const { return state.at(key).to(at::kDouble); }
  Tensor linear(const std::string& layer, const Tensor& x) const {
    Tensor y = at::matmul(x, at(layer + ".weight").t());
    return state.contains(layer + ".bias") ? y + at(layer + ".bias") : y;
  }
  static Tensor unit(const Tensor& x) { return x / x.square().sum(-1, true).sqrt(); }
  Tensor projected(const std::string& tower, const Tensor& f) const {
    Tensor sum = at::zeros_like(f);
    for (int t = 0; t < tasks; ++t) sum = sum + linear(tower + "_" + std::to_string(t), f);
    return unit(sum);
  }
  /// i'·t' and i'·p' of one image: [K] each.
  std::pair<Tensor, Tensor> fused(const Tensor& image, const Tensor& texts,
                                  const Tensor& prototypes) const {
    std::vector<Tensor> rows = {image.unsqueeze(0), texts, prototypes};
    for (int t = 0; t < tasks; ++t) rows.push_back(at("contexts.parts." + std::to_string(t)));
    const Tensor x = at::cat(rows);
    const Tensor q = linear("fusion.query", x), k = linear("fusion.key", x);
    const Tensor a = at::softmax(at::matmul(q, k.t()) / std::sqrt(16.0), 1);
    const Tensor sum = linear("fusion.out", at::matmul(a, linear("fusion.value", x))) + x;
    const Tensor centred = sum - sum.mean(1, true);
    const Tensor normal =
        centred / (centred.square().mean(1, true) + 1e-5).sqrt() * at("fusion.norm.weight") +
        at("fusion.norm.bias");
    const int64_t n = texts.size(0);
    return {at::matmul(normal.slice(0, 1, 1 + n), normal[0]),
            at::matmul(normal.slice(0, 1 + n, 1 + 2 * n), normal[0])};
  }

  std::map<std::string, Tensor> state;
  int tasks;
};

const std::vector<std::string> kSettings = {"learner.memory=12",
                                            "learner.templates=[\"a photo of a {}.\", \"{} .\"]"};

TEST(Proof, AddsThreeComparisonsOfAnImageByItself) {
  TowerCourse course("proof", kSettings);
  course.learn();
  course.learn();
  const Batch batch = course.tested().joined(course.drive.test_batch(0));
  const Tensor scores = course.scores(batch);
  const ByHand hand(course);
  NoGrad no_grad;
  const Backbone& clip = *course.pristine;
  const ClassTexts both(clip, {.templates = {"a photo of a {}.", "{} ."}});
  const Tensor images = hand.projected("image", clip.features(batch.input).to(at::kDouble));
  const Tensor texts = hand.projected("text", both.frozen(course.names()).to(at::kDouble));
  const Tensor prototypes = hand.projected("image", hand.at("prototypes"));
  for (int64_t i = 0; i < batch.size(); ++i) {
    const auto [to_texts, to_prototypes] = hand.fused(images[i], texts, prototypes);
    EXPECT_LT(relative_error(scores[i], at::matmul(texts, images[i]) + to_texts + to_prototypes),
              1e-4)
        << i;
  }
}

TEST(Proof, LearnsAllThreeFromTheFirstSentence) {
  TowerCourse course("proof", kSettings);
  course.learn();
  course.begin();
  const Batch batch = course.batch();
  const double loss = course.drive.learner->loss(batch, {}).item<double>();
  const ByHand hand(course);
  NoGrad no_grad;
  const Backbone& clip = *course.pristine;
  const ClassTexts first(clip, {});
  const Tensor images = hand.projected("image", clip.features(batch.input).to(at::kDouble));
  const Tensor texts = hand.projected("text", first.frozen(course.names()).to(at::kDouble));
  const Tensor prototypes = hand.projected("image", hand.at("prototypes"));
  std::vector<Tensor> to_texts, to_prototypes;
  for (int64_t i = 0; i < batch.size(); ++i) {
    const auto [t, p] = hand.fused(images[i], texts, prototypes);
    to_texts.push_back(t);
    to_prototypes.push_back(p);
  }
  const Tensor pairs =
      clip.similarity(images.to(at::kFloat), texts.index_select(0, batch.target).to(at::kFloat));
  const Tensor matching = at::arange(batch.size(), at::kLong);
  const double contrast =
      (cross_entropy_of(pairs, matching) + cross_entropy_of(pairs.t(), matching)) / 2;
  EXPECT_NEAR(loss,
              cross_entropy_of(at::stack(to_texts), batch.target) +
                  cross_entropy_of(at::stack(to_prototypes), batch.target) + contrast,
              1e-4);
}

TEST(Proof, TrainsTheNewestImageProjectionAndAllOfTexts) {
  TowerCourse course("proof", kSettings);
  course.learn();
  const auto first = course.state();
  // Prototypes: means of the task's features of unit length under the frozen network.
  {
    NoGrad no_grad;
    const Batch batch = course.batch();
    const Tensor f = ByHand::unit(course.pristine->features(batch.input).to(at::kDouble));
    for (int64_t c = 0; c < 2; ++c)
      EXPECT_LT(relative_error(first.at("prototypes")[c],
                               f.index_select(0, (batch.target == c).nonzero().squeeze(1)).mean(0)),
                1e-5);
  }
  course.learn();
  const auto second = course.state();
  for (const char* kept : {"image_0.weight", "contexts.parts.0"})
    EXPECT_TRUE(at::equal(first.at(kept), second.at(kept))) << kept;
  for (const char* learned : {"text_0.weight", "fusion.query.weight"})
    EXPECT_FALSE(at::equal(first.at(learned), second.at(learned))) << learned;
  EXPECT_TRUE(at::equal(first.at("prototypes"), second.at("prototypes").slice(0, 0, 2)));
}

}  // namespace
}  // namespace patina

// DIKI: what is added to attention, how much of it, and for which task, for every image by itself.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "patina/algebra/cosine.h"
#include "patina/algebra/gaussians.h"
#include "patina/learn/class_texts.h"
#include "patina/ops.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

TEST(Mahalanobis, KnowsTheDensitiesOfItsGaussians) {
  Mahalanobis gaussians;
  gaussians.add(float_tensor({1, 0}), float_tensor({4, 0, 0, 0.25}).reshape({2, 2}));
  gaussians.add(float_tensor({0, 2}), float_tensor({2, 1, 1, 2}).reshape({2, 2}));
  const Tensor found = gaussians.log_densities(float_tensor({3, 1}).reshape({1, 2}));
  const double log2pi = std::log(2 * std::numbers::pi);
  // |Σ| = 1, d² = 4/4 + 1/0.25; and |Σ| = 3, Σ⁻¹ = [2 -1; -1 2]/3, d = (3, -1).
  EXPECT_NEAR(found[0][0].item<double>(), -log2pi - (1.0 + 4) / 2, 1e-5);
  EXPECT_NEAR(found[0][1].item<double>(), -log2pi - std::log(3) / 2 - 26.0 / 3 / 2, 1e-5);
}

// Keys and values of one block, for all rows of a pass.
class AddedByHand : public nn::Adaptation {
 public:
  AddedByHand(const std::map<std::string, Tensor>& state, const std::string& side, int64_t task,
              double weight)
      : keys_(state.at(side + ".keys.parts." + std::to_string(task))),
        values_(state.at(side + ".values.parts." + std::to_string(task)) * weight) {
    set_tower(side == "image" ? nn::Tower::image : nn::Tower::text);
  }
  std::pair<Tensor, Tensor> aside(int layer) override { return {keys_[layer], values_[layer]}; }

 private:
  Tensor keys_, values_;
};

TEST(Diki, BeginsAsTheFrozenNetwork) {
  TowerCourse course("diki");
  course.begin();
  const Batch batch = course.batch();
  const Backbone& clip = *course.pristine;
  const ClassTexts texts(clip, {});
  const Tensor plain = clip.similarity(clip.features(batch.input), texts.encoded(course.names()));
  EXPECT_NEAR(course.drive.learner->loss(batch, {}).item<double>(),
              cross_entropy_of(plain, batch.target), 1e-5);
}

// A batch of which most images are of the other task: an image's scores are those that it has
// alone.
TEST(Diki, EveryImageChoosesItsTaskAndItsWeight) {
  TowerCourse course("diki", {"learner.depth=1", "learner.levels=7", "learner.ridge=0.002"});
  std::vector<Moments> of_tasks;
  const Backbone& clip = *course.pristine;
  for (int t = 0; t < 2; ++t) {
    course.learn();
    NoGrad no_grad;
    of_tasks.push_back(moments(normalized(clip.features(course.batch().input))));
  }
  const auto state = course.state();
  EXPECT_EQ(state.at("image.keys.parts.0").sizes(), (at::IntArrayRef{1, 4, 24}));
  NoGrad no_grad;
  const Batch batch = course.drive.test_batch(0)
                          .joined(course.drive.test_batch(1))
                          .joined(course.drive.test_batch(1));
  const Tensor scores = course.scores(batch);
  const ClassTexts texts(clip, {});
  std::vector<int64_t> chosen(2);
  for (int64_t i = 0; i < batch.size(); ++i) {
    const Input image = batch.input.slice(i, i + 1);
    const Tensor f = normalized(clip.features(image)).to(at::kDouble)[0];
    std::vector<double> likely;
    for (const auto& [mean, covariance] : of_tasks) {
      const Tensor sigma = covariance + at::eye(16, at::kDouble) * 0.002;
      const Tensor d = (f - mean).unsqueeze(1);
      const double distance = at::matmul(d.t(), at::linalg_solve(sigma, d)).item<double>();
      const double volume = std::get<0>(at::linalg_eigh(sigma)).log().sum().item<double>();
      likely.push_back(-(16 * std::log(2 * std::numbers::pi) + volume + distance) / 2);
    }
    const int64_t task = likely[1] > likely[0];
    ++chosen[size_t(task)];
    const double w = 1 / (1 + std::exp(1 - likely[size_t(task)] / 16));
    AddedByHand to_image(state, "image", task, w),
        to_text(state, "text", task, std::round(7 * w) / 7);
    struct FirstBlock : nn::Adaptation {
      explicit FirstBlock(AddedByHand& of) : of_(of) { set_tower(*of.tower()); }
      std::pair<Tensor, Tensor> aside(int layer) override {
        return layer == 0 ? of_.aside(0) : std::pair<Tensor, Tensor>();
      }
      AddedByHand& of_;
    } image_pass(to_image), text_pass(to_text);
    const Tensor wanted = clip.similarity(clip.features(image, {&image_pass}),
                                          texts.encoded(course.names(), {&text_pass}));
    EXPECT_LT(relative_error(scores[i], wanted[0]), 1e-4) << i << " " << w;
    EXPECT_LT(relative_error(course.scores(batch.input.slice(i, i + 1))[0], scores[i]), 1e-5) << i;
  }
  EXPECT_GT(chosen[0], 0);
  EXPECT_GT(chosen[1], chosen[0]);
}

TEST(Diki, LaterTasksLeaveEarlierOnesAsTheyWere) {
  TowerCourse course("diki");
  course.learn();
  const auto first = course.state();
  course.learn();
  const auto second = course.state();
  for (const char* side : {"image", "text"})
    for (const char* part : {".keys.parts.0", ".values.parts.0"})
      EXPECT_TRUE(
          at::equal(first.at(side + std::string(part)), second.at(side + std::string(part))))
          << side << part;
  EXPECT_GT(first.at("image.values.parts.0").abs().max().item<float>(), 1e-3) << "it learned";
}

}  // namespace
}  // namespace patina

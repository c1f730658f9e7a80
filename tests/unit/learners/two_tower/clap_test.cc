// CLAP's texts, Gaussians and loss, computed anew for one image at a time.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/algebra/cosine.h"
#include "patina/learn/class_texts.h"
#include "patina/ops.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

constexpr double kEpsilon = 1e-5;

/// CLAP's parts from a state, in double; two classes a task.
struct ClapByHand {
  explicit ClapByHand(const std::map<std::string, Tensor>& from) : state(from) {}

  Tensor number(const std::string& key) const { return state.at(key).to(at::kDouble); }
  Tensor linear(const std::string& layer, const Tensor& x) const {
    return at::matmul(x, number(layer + ".weight").t()) + number(layer + ".bias");
  }
  Tensor norm(const std::string& layer, const Tensor& x) const {
    const Tensor centred = x - x.mean(-1, true);
    return centred / (centred.square().mean(-1, true) + kEpsilon).sqrt() *
               number(layer + ".weight") +
           number(layer + ".bias");
  }
  // t' for one image f [E]: classes of one task attend to each other.
  Tensor texts(const std::string& guide, const Tensor& f, const Tensor& t) const {
    std::vector<Tensor> rows;
    const Tensor x = norm(guide + "norm1", t);
    const Tensor q = linear(guide + "query", x), k = linear(guide + "key", x),
                 v = linear(guide + "value", x);
    for (int64_t c = 0; c < t.size(0); ++c) {
      const int64_t from = c / 2 * 2;
      const Tensor a =
          at::softmax(at::matmul(k.slice(0, from, from + 2), q[c]) / std::sqrt(16.0), 0);
      const Tensor among =
          t[c] + linear(guide + "among_out", at::matmul(a, v.slice(0, from, from + 2)));
      const Tensor seen = among + linear(guide + "image_out", linear(guide + "image_value", f));
      const Tensor h = linear(guide + "up", norm(guide + "norm2", seen));
      const Tensor gelu = h * 0.5 * ((h / std::sqrt(2.0)).erf() + 1);
      rows.push_back(seen + linear(guide + "down", gelu));
    }
    return at::stack(rows);
  }
  Tensor gaussian(const std::string& part, const Tensor& texts) const {
    std::vector<Tensor> rows;
    for (int64_t c = 0; c < texts.size(0); ++c)
      rows.push_back(linear("gaussian_" + std::to_string(c / 2) + "." + part, texts[c]));
    return at::stack(rows);
  }
  Tensor deviation(const Tensor& texts) const {
    return (gaussian("deviation", texts).exp() + 1).log() * 0.999 + 0.001;
  }

  std::map<std::string, Tensor> state;
};

const std::vector<std::string> kClapSettings = {"learner.memory=12", "learner.hidden=8",
                                                "learner.samples=3", "learner.keep=0.7",
                                                "learner.divergence=0.02"};

double similarity_scale(const Backbone& clip) {
  const Tensor e = at::ones({1, 16});
  return clip.similarity(e, e).item<double>();
}

TEST(Clap, ScoresByTheMeansOfTheGaussiansOfTheImageAlone) {
  TowerCourse course("clap", kClapSettings);
  course.learn();
  course.learn();
  const Batch batch = course.tested().joined(course.drive.test_batch(0));
  const Tensor scores = course.scores(batch);
  EXPECT_TRUE(at::equal(course.scores(batch), scores)) << "nothing is drawn";
  const ClapByHand hand(course.state());
  NoGrad no_grad;
  const Backbone& clip = *course.pristine;
  const ClassTexts texts(clip, {});
  const Tensor t = texts.frozen(course.names()).to(at::kDouble);
  const Tensor f = normalized(clip.features(batch.input)).to(at::kDouble);
  const double scale = similarity_scale(clip);
  std::vector<Tensor> wanted;
  for (int64_t i = 0; i < batch.size(); ++i) {
    const Tensor own = hand.texts("guide.", f[i], t);
    const Tensor z = normalized(own + hand.gaussian("mean", own));
    wanted.push_back(at::matmul(z, f[i]) * scale);
    EXPECT_LT(relative_error(scores[i], wanted.back()), 1e-4) << i;
    EXPECT_LT(relative_error(course.scores(batch.input.slice(i, i + 1))[0], scores[i]), 1e-5) << i;
  }
  // A name that was not learned is CLIP's text beside those that were.
  const auto& all = course.drive.scenario.classes();
  const Tensor open = course.drive.learner->by_name(all)(batch);
  const Tensor plain = at::matmul(f, texts.frozen(all).to(at::kDouble).t()) * scale;
  for (size_t c = 0; c < all.size(); ++c) {
    const auto& seen = course.names();
    const auto found = std::ranges::find(seen, all[c]);
    for (int64_t i = 0; i < batch.size(); ++i)
      EXPECT_NEAR(open[i][int64_t(c)].item<double>(),
                  found == seen.end() ? plain[i][int64_t(c)].item<double>()
                                      : wanted[size_t(i)][found - seen.begin()].item<double>(),
                  1e-3);
  }
}

TEST(Clap, LearnsSamplesDivergenceAndWhatWasThere) {
  TowerCourse course("clap", kClapSettings);
  course.learn();
  course.begin();
  {
    // The attention moves a little from what it was before the task.
    NoGrad no_grad;
    Random random = Seeds(3)("moved");
    for (auto& group : course.drive.learner->trainable())
      for (Tensor tensor : group.tensors) {
        Tensor step = at::empty(tensor.sizes().vec());
        nn::init_normal(step, random, 0, 0.05);
        tensor.add_(step);
      }
  }
  const Batch batch = course.batch();
  const double loss = course.drive.learner->loss(batch, {}).item<double>();
  const auto state = course.state();
  const ClapByHand hand(state);
  NoGrad no_grad;
  const Backbone& clip = *course.pristine;
  const ClassTexts texts(clip, {});
  const Tensor t = texts.frozen(course.names()).to(at::kDouble);
  const Tensor f = normalized(clip.features(batch.input)).to(at::kDouble);
  // The guide before the task, in the order in which it is walked.
  ClapByHand before = hand;
  const std::vector<std::string> layers = {"query",     "key", "value", "among_out", "image_value",
                                           "image_out", "up",  "down",  "norm1",     "norm2"};
  size_t next = 0;
  for (const auto& layer : layers)
    for (const char* part : {".weight", ".bias"})
      before.state["guide." + layer + part] = state.at("before." + std::to_string(next++));
  const int64_t size = batch.size();
  std::vector<Tensor> centres, deviations, means, earlier;
  for (int64_t i = 0; i < size; ++i) {
    const Tensor own = hand.texts("guide.", f[i], t);
    means.push_back(hand.gaussian("mean", own));
    centres.push_back(own + means.back());
    deviations.push_back(hand.deviation(own));
    const Tensor old = before.texts("guide.", f[i], t);
    earlier.push_back(old + before.gaussian("mean", old));
  }
  const Tensor centre = at::stack(centres), deviation = at::stack(deviations);
  Random random = Seeds(7)("noise", 0);
  Tensor sum = at::zeros({size, 4}, at::kDouble);
  for (int s = 0; s < 3; ++s) {
    Tensor noise = at::empty({size, 4, 16});
    nn::init_normal(noise, random, 0, 1);
    const Tensor z = normalized(centre + deviation * noise.to(at::kDouble));
    sum = sum + at::bmm(z, f.unsqueeze(2)).squeeze(2) * similarity_scale(clip);
  }
  const Tensor mu = at::stack(means).slice(1, 2), sigma = deviation.slice(1, 2);
  const double divergence =
      ((mu.square() + sigma.square() - 1) / 2 - sigma.log()).sum(2).mean().item<double>();
  const double moved = (centre - at::stack(earlier)).slice(1, 0, 2).square().mean().item<double>();
  EXPECT_GT(moved, 1e-4);
  EXPECT_NEAR(loss, cross_entropy_of(sum / 3, batch.target) + 0.02 * divergence + 0.7 * moved,
              1e-3 * std::abs(loss));
}

TEST(Clap, MapsBeginAsTheGramOfTheNewTexts) {
  TowerCourse course("clap", kClapSettings);
  course.learn();
  const auto first = course.state();
  course.begin();
  const auto second = course.state();
  const ClassTexts texts(*course.pristine, {});
  const Tensor t = texts.frozen(course.names()).slice(0, 2);
  for (const char* part : {"mean", "deviation"}) {
    const std::string key = std::string(".") + part + ".weight";
    EXPECT_LT(relative_error(second.at("gaussian_1" + key), at::matmul(t.t(), t) / 16), 1e-5);
    EXPECT_TRUE(at::equal(second.at("gaussian_0" + key), first.at("gaussian_0" + key)));
  }
}

}  // namespace
}  // namespace patina

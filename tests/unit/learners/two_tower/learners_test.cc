// Methods that classify images by the texts of the classes: each method's equations on numbers that
// are computed anew from its state.
#include <gtest/gtest.h>

#include <limits>

#include "patina/algebra/cosine.h"
#include "patina/algebra/kernel_ridge.h"
#include "patina/algebra/ridge.h"
#include "patina/learn/adapted.h"
#include "patina/learn/class_texts.h"
#include "patina/memory/k_means.h"
#include "patina/ops.h"
#include "tests/support/toy_towers.h"

namespace patina {
namespace {

// CoOp.

TEST(CoOp, LearnsTheWordsAmongTheTasksClasses) {
  TowerCourse course("coop", {"learner.context=4"});
  course.learn();
  course.begin();
  const Batch batch = course.batch();
  NoGrad no_grad;
  const auto names = course.names();
  const ClassTexts texts(*course.pristine, {.templates = {"{}."}}, 4);
  Random random;
  const auto context = make_context(4, *course.pristine, random);
  nn::tensors(*context).front().tensor.copy_(course.state().at("context.vectors"));
  const Tensor all = course.pristine->similarity(course.pristine->features(batch.input),
                                                 texts.encoded(names, {context.get()}));
  EXPECT_LT(relative_error(course.scores(batch), all), 1e-5);
  EXPECT_NEAR(course.drive.learner->loss(batch, {}).item<double>(),
              cross_entropy_of(all.slice(1, 2), batch.target - 2), 1e-5);
}

TEST(CoOp, LetsAllClassesCompeteOnRequest) {
  TowerCourse course("coop", {"learner.context=4", "learner.compete=\"seen\""});
  course.learn();
  course.begin();
  const Batch batch = course.batch();
  EXPECT_NEAR(course.drive.learner->loss(batch, {}).item<double>(),
              cross_entropy_of(course.scores(batch), batch.target), 1e-5);
}

// CLIP-Adapter.

TEST(ClipAdapter, MixesTwoLayersWithTheFeature) {
  TowerCourse course("clip_adapter", {"learner.part=0.3"});
  course.learn();
  const auto state = course.state();
  const Batch batch = course.tested();
  NoGrad no_grad;
  const Tensor f = course.pristine->features(batch.input).to(at::kDouble);
  EXPECT_EQ(state.at("adapter.down.weight").size(0), 4) << "a quarter of 16";
  const Tensor hidden =
      at::relu(at::matmul(f, state.at("adapter.down.weight").to(at::kDouble).t()));
  const Tensor other =
      at::relu(at::matmul(hidden, state.at("adapter.up.weight").to(at::kDouble).t()));
  const Tensor mixed = (other * 0.3 + f * 0.7).to(at::kFloat);
  const ClassTexts texts(*course.pristine, {});
  EXPECT_LT(relative_error(course.scores(batch),
                           course.pristine->similarity(mixed, texts.frozen(course.names()))),
            1e-5);
}

// S-Prompts.

TEST(KMeans, CentresAreTheMeansOfTheirClusters) {
  const Tensor rows = float_tensor({0, 0, 0, 2, 10, 0, 10, 4}).reshape({4, 2});
  const Tensor centres = cluster_centres(rows, 2, Seeds(1)("centres"));
  const bool first = centres[0][0].item<double>() < 5;
  EXPECT_TRUE(at::equal(centres[first ? 0 : 1], float_tensor({0, 1}).to(at::kDouble)));
  EXPECT_TRUE(at::equal(centres[first ? 1 : 0], float_tensor({10, 2}).to(at::kDouble)));
  EXPECT_TRUE(at::equal(cluster_centres(rows, 4, Random()), rows.to(at::kDouble)));
}

TEST(SPrompts, AnImageTakesThePromptsOfTheNearestDomain) {
  TowerCourse course("sprompts", {"learner.length=2", "learner.context=3", "learner.centres=2"});
  course.learn();
  const auto first = course.state();
  course.learn();
  const auto state = course.state();
  for (const char* kept : {"image_0.tokens", "text_0.vectors", "centres.centres.0"})
    EXPECT_TRUE(at::equal(state.at(kept), first.at(kept))) << kept;
  const Backbone& clip = *course.pristine;
  const ClassTexts texts(clip, {.templates = {"{}."}}, 3);
  NoGrad no_grad;
  std::vector<Tensor> of_domain;
  const Batch batch = course.tested().joined(course.drive.test_batch(0));
  for (const char* domain : {"0", "1"}) {
    Random random;
    const auto image =
        make_prompt({.tokens = 2, .deep = false}, tower_of(clip, nn::Tower::image), random);
    const auto text = make_context(3, clip, random);
    nn::tensors(*image).front().tensor.copy_(state.at(std::string("image_") + domain + ".tokens"));
    nn::tensors(*text).front().tensor.copy_(state.at(std::string("text_") + domain + ".vectors"));
    of_domain.push_back(clip.similarity(clip.features(batch.input, {image.get()}),
                                        texts.encoded(course.names(), {text.get()})));
  }
  const Tensor z = normalized(clip.features(batch.input));
  const Tensor scores = course.scores(batch);
  std::vector<int64_t> taken(2);
  for (int64_t i = 0; i < batch.size(); ++i) {
    const int64_t domain = nearest_domain(state, z[i]);
    ++taken[size_t(domain)];
    Tensor wanted = at::full({4}, -std::numeric_limits<double>::infinity());
    const int64_t from = 2 * domain;
    wanted.slice(0, from, from + 2).copy_(of_domain[size_t(domain)][i].slice(0, from, from + 2));
    EXPECT_LT(relative_error(scores[i], wanted), 1e-5) << i;
  }
  EXPECT_GT(taken[0], 0);
  EXPECT_GT(taken[1], 0);
}

// RAIL.

TEST(KernelRidge, IsTheJointSolutionHoweverSamplesArrive) {
  const Tensor x = random_tensor({9, 3}, 1), asked = random_tensor({4, 3}, 2);
  const Tensor y = tensor_of(std::vector<int64_t>{0, 1, 0, 1, 1, 2, 0, 2, 1});
  const auto kernel = [](const Tensor& a, const Tensor& b) {
    const Tensor d = a.to(at::kDouble).unsqueeze(1) - b.to(at::kDouble).unsqueeze(0);
    return at::exp(d.square().sum(-1) * -0.4);
  };
  const Tensor gram = kernel(x, x) + at::eye(9, at::kDouble) * 0.05;
  const Tensor joint =
      at::matmul(kernel(asked, x), at::linalg_solve(gram, one_hot(y, 3, at::kDouble)));
  KernelRidge whole(0.4, 0.05), parts(0.4, 0.05), again(0.4, 0.05);
  whole.add(x, y, 3);
  parts.add(x.slice(0, 0, 5), y.slice(0, 0, 5), 2);
  parts.add(x.slice(0, 5, 6), y.slice(0, 5, 6), 3);
  parts.add(x.slice(0, 6), y.slice(0, 6), 3);
  EXPECT_LT(relative_error(whole(asked), joint), 1e-6);
  EXPECT_LT(relative_error(parts(asked), joint), 1e-6);
  Archive saved;
  parts.state(saved);
  Archive stored = std::move(saved).reopened();
  again.state(stored);
  EXPECT_TRUE(at::equal(again(asked), parts(asked)));
}

// (1 - β) p + β r where the zero-shot class is learned, p elsewhere; r from all samples at once.
void expect_rail(const std::string& form) {
  TowerCourse course("rail",
                     {"learner.form=\"" + form + "\"", "learner.projection=30", "learner.part=0.6",
                      "learner.penalty=0.5", "learner.kernel_penalty=0.01", "learner.gamma=0.7"});
  const Backbone& clip = *course.pristine;
  NoGrad no_grad;
  std::vector<Tensor> features, targets;
  for (int t = 0; t < 2; ++t) {
    course.learn();
    const Batch batch = course.batch();
    features.push_back(normalized(clip.features(batch.input)).to(at::kDouble));
    targets.push_back(batch.target);
  }
  const Tensor x = at::cat(features), y = one_hot(at::cat(targets), 4, at::kDouble);
  Tensor matrix = at::empty({16, 30});
  Random random = Seeds(7)("projection");
  nn::init_uniform(matrix, random, 0.25);
  const auto phi = [&](const Tensor& f) { return at::relu(at::matmul(f, matrix.to(at::kDouble))); };
  const auto kernel = [&](const Tensor& a, const Tensor& b) {
    return at::exp((a.unsqueeze(1) - b.unsqueeze(0)).square().sum(-1) * -0.7);
  };
  const Batch batch = course.drive.test_batch(0).joined(course.drive.test_batch(2));
  const Tensor f = normalized(clip.features(batch.input)).to(at::kDouble);
  const Tensor h = phi(x);
  const Tensor r =
      form == "primal"
          ? at::matmul(phi(f),
                       at::linalg_solve(at::matmul(h.t(), h) + at::eye(30, at::kDouble) * 0.5,
                                        at::matmul(h.t(), y)))
          : at::matmul(kernel(f, x),
                       at::linalg_solve(kernel(x, x) + at::eye(x.size(0), at::kDouble) * 0.01, y));
  const ClassTexts texts(clip, {});
  const auto zero_shot = [&](const std::vector<std::string>& names) {
    return at::softmax(clip.similarity(clip.features(batch.input), texts.frozen(names)), 1)
        .to(at::kDouble);
  };
  EXPECT_LT(relative_error(course.scores(batch), zero_shot(course.names()) * 0.4 + r * 0.6), 1e-4);

  // Among all names, those to come compete, and where one of them wins, the regression is silent.
  const auto& all = course.drive.scenario.classes();
  const Tensor p = zero_shot(all);
  const Tensor found = course.drive.learner->by_name(all)(batch);
  int64_t silent = 0;
  for (int64_t i = 0; i < batch.size(); ++i) {
    Tensor wanted = p[i];
    if (p[i].argmax().item<int64_t>() < 4)
      wanted = p[i] * 0.4 + at::cat({r[i], at::zeros({2}, at::kDouble)}) * 0.6;
    else
      ++silent;
    EXPECT_LT(relative_error(found[i], wanted), 1e-4) << i;
  }
  EXPECT_GT(silent, 0);
  EXPECT_LT(silent, batch.size());
}

TEST(Rail, IsThePrimalRidgeMixedWithTheZeroShotClassifier) {
  expect_rail("primal");
}
TEST(Rail, IsTheDualRidgeMixedWithTheZeroShotClassifier) {
  expect_rail("dual");
}

}  // namespace
}  // namespace patina

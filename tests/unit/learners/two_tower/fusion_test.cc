// Questions about images: fused features, the fusion head, its memory, and VQACL's prototypes.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/models/two_tower/fused_towers.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"
#include "patina/session/feed.h"
#include "patina/session/session.h"
#include "patina/store/feature_store.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

constexpr int64_t kPictures = 6;

std::unique_ptr<Backbone> toy_fused() {
  return toy_network("fusion", ToyWorld::kClasses);
}

std::unique_ptr<Backbone> toy_compared() {
  return toy_network("zsclip", ToyWorld::kClasses);
}

// Two questions about each image.
Input asked_twice() {
  Input input(at::full({2 * kPictures, 5}, 7, at::kLong), at::ones({2 * kPictures, 5}, at::kLong));
  input.data.select(1, 0).fill_(ClipWords::kBegin);
  input.data.select(1, 1).slice(0, kPictures).fill_(9);
  input.data.select(1, 4).fill_(ClipWords::kEnd);
  const Tensor images = random_tensor({kPictures, 3, 16, 16}, 3);
  input.images = at::cat({images, images});
  return input;
}

// x √E / |x|, by loops.
Tensor of_size_one_by_hand(const Tensor& x) {
  Tensor out = x.clone();
  for (int64_t row = 0; row < x.size(0); ++row) {
    double squares = 0;
    for (int64_t i = 0; i < x.size(1); ++i) squares += std::pow(x[row][i].item<double>(), 2);
    out[row].mul_(std::sqrt(double(x.size(1)) / squares));
  }
  return out;
}

TEST(FusedTowers, PutImageQuestionProductAndDifferenceSideBySide) {
  NoGrad no_grad;
  const auto fused = toy_fused(), towers = toy_compared();
  const Input input = asked_twice();
  const Tensor v = of_size_one_by_hand(towers->features(Input(input.images))),
               q = of_size_one_by_hand(towers->features(Input(input.data, input.mask)));
  const Tensor features = fused->features(input);
  const int64_t e = towers->width();
  ASSERT_EQ(features.size(1), 4 * e);
  EXPECT_EQ(fused->width(), 4 * e);
  EXPECT_LT(relative_error(features.slice(1, 0, e), v), 1e-5);
  EXPECT_LT(relative_error(features.slice(1, e, 2 * e), q), 1e-5);
  EXPECT_LT(relative_error(features.slice(1, 2 * e, 3 * e), v * q), 1e-5);
  EXPECT_LT(relative_error(features.slice(1, 3 * e), (v - q).abs()), 1e-5);
  const auto [image, question] = parts_of_fused(features);
  EXPECT_TRUE(at::equal(image, features.slice(1, 0, e)));
  EXPECT_TRUE(at::equal(question, features.slice(1, e, 2 * e)));
}

TEST(FusedTowers, DoNotReadPadding) {
  NoGrad no_grad;
  const auto fused = toy_fused();
  const Input input = asked_twice();
  Input wider = input;
  wider.data = at::constant_pad_nd(input.data, {0, 3});
  wider.mask = at::constant_pad_nd(input.mask, {0, 3});
  EXPECT_LT(relative_error(fused->features(wider), fused->features(input)), 1e-5);
}

TEST(FusedTowers, ComputeAnImageOnceForAllItsQuestions) {
  NoGrad no_grad;
  const auto fused = toy_fused();
  const Input input = asked_twice();
  const Tensor plain = fused->features(input);
  const auto store = std::make_shared<FeatureStore>(
      FeatureStoreOptions{.cache_bytes = 1 << 20, .cache_folder = "", .cache_disk_bytes = 0});
  fused->set_cache(store);
  const Tensor first = fused->features(input.slice(0, kPictures));
  EXPECT_EQ(store->counts().misses, kPictures);
  EXPECT_EQ(store->counts().hits, 0);
  const Tensor second = fused->features(input.slice(kPictures, 2 * kPictures));
  EXPECT_EQ(store->counts().misses, kPictures);
  EXPECT_EQ(store->counts().hits, kPictures);
  EXPECT_LT(relative_error(at::cat({first, second}), plain), 1e-6);
  // In one batch, too.
  const auto other = std::make_shared<FeatureStore>(
      FeatureStoreOptions{.cache_bytes = 1 << 20, .cache_folder = "", .cache_disk_bytes = 0});
  fused->set_cache(other);
  EXPECT_LT(relative_error(fused->features(input), plain), 1e-6);
  EXPECT_EQ(other->counts().misses, kPictures);
  // What is trained is not kept.
  nn::freeze(*fused, false);
  fused->features(input);
  EXPECT_EQ(other->counts().misses, kPictures);
  EXPECT_EQ(other->counts().hits, 0);
}

TEST(FusedTowers, HaveZerosForWhatIsNotThere) {
  NoGrad no_grad;
  const auto fused = toy_fused(), towers = toy_compared();
  const Input input = asked_twice();
  const int64_t e = towers->width();
  const Tensor v = fused->features(Input(input.images)),
               q = fused->features(Input(input.data, input.mask));
  EXPECT_LT(relative_error(v.slice(1, 0, e), of_size_one_by_hand(towers->features(input.images))),
            1e-5);
  EXPECT_EQ(largest(v.slice(1, e, 3 * e)), 0);
  EXPECT_EQ(largest(q.slice(1, 0, e)), 0);
  EXPECT_GT(largest(q.slice(1, e, 2 * e)), 0);
}

TEST(FusedTowers, AreCopiedWithTheirTokenizer) {
  NoGrad no_grad;
  const auto fused = toy_fused(), copy = fused->clone();
  EXPECT_EQ(copy->tokenizer(), fused->tokenizer());
  const Tensor features = fused->features(asked_twice());
  EXPECT_TRUE(at::equal(copy->features(asked_twice()), features));
  nn::tensors(*copy).front().tensor.add_(1);
  EXPECT_TRUE(at::equal(fused->features(asked_twice()), features)) << "weights are its own";
}

TEST(FusedTowers, SayWhatDoesNotFit) {
  EXPECT_TRUE(contains(error_of([] { fused_towers(toy_network("finetune", 6)); }),
                       "model.fused is for a network with a tower for images"));
  const Asked<ToySource> questions(6, 2);
  const ToySource images(6, 2);
  EXPECT_TRUE(
      contains(error_of([&] { make_feed(*toy_compared(), questions); }), "set model.fused = true"));
  EXPECT_TRUE(
      contains(error_of([&] { make_feed(*toy_fused(), images); }), "the data are images alone"));
  EXPECT_EQ(make_feed(*toy_fused(), questions)->unit(), "questions");
}

// A learner on three tasks of two answers, one call at a time.
struct FusionCourse {
  explicit FusionCourse(const std::string& name, std::vector<std::string> settings = {})
      : network(toy_fused()),
        drive(name, toy_recipe(name, 2, 0, plain(std::move(settings))), kAsked.data(), *network) {}
  // Images are replayed as they were learned.
  static std::vector<std::string> plain(std::vector<std::string> settings) {
    settings.insert(settings.end(),
                    {"train_transform.flip=false", "train_transform.random_crop_padding=0"});
    return settings;
  }

  void begin() {
    task = *drive.stream.next();
    drive.learner->begin_task(*task, drive.trainer);
  }
  // The task's first samples.
  Batch batch(int64_t from, int64_t to) {
    return Loader(*task->train, drive.rig.test_feed(), drive.rig.pool(), 1024)
        .next()
        ->slice(from, to);
  }
  Tensor features(const Batch& batch) {
    NoGrad no_grad;
    return network->features(batch.input);
  }
  std::map<std::string, Tensor> state() {
    Archive archive;
    drive.learner->state(archive);
    std::map<std::string, Tensor> copies;
    for (const auto& [name, tensor] : archive.tensors()) copies[name] = tensor.clone();
    return copies;
  }
  // W₂ relu(W₁ x + b₁) + b₂
  Tensor head(const Tensor& x) {
    const auto s = state();
    const Tensor hidden = at::relu(at::matmul(x, s.at("hidden.weight").t()) + s.at("hidden.bias"));
    return at::matmul(hidden, s.at("head.weight").t()) + s.at("head.bias");
  }
  double loss(const Batch& batch, int64_t taken = 0) {
    NoGrad no_grad;
    return drive.learner->loss(batch, {.taken = taken}).item<double>();
  }

  std::unique_ptr<Backbone> network;
  ToyDrive drive;
  std::optional<Task> task;
};

double mean_loss(const Tensor& scores, const Tensor& target) {
  return nn::cross_entropy(scores.to(at::kDouble), target).item<double>();
}

TEST(Fusion, ScoresByTwoLayers) {
  FusionCourse course("fusion");
  course.begin();
  const Batch batch = course.batch(0, 8);
  const Tensor scores = course.head(course.features(batch));
  EXPECT_EQ(scores.size(1), 2);
  EXPECT_LT(relative_error(course.drive.learner->scores(batch), scores), 1e-5);
  EXPECT_NEAR(course.loss(batch), mean_loss(scores, batch.target), 1e-5);
  const auto before = course.state();
  course.begin();
  EXPECT_EQ(course.state().at("head.weight").size(0), 4) << "the head grows";
  EXPECT_TRUE(at::equal(course.state().at("head.weight").slice(0, 0, 2), before.at("head.weight")));
}

TEST(FusionReplay, LearnsTheBatchWithWhatItRemembers) {
  FusionCourse course("fusion_replay", {"learner.memory=4"});
  course.begin();
  const Batch old = course.batch(0, 4);
  EXPECT_NEAR(course.loss(old), mean_loss(course.head(course.features(old)), old.target), 1e-5);
  course.drive.learner->remember(old);
  course.begin();
  const Batch batch = course.batch(0, 4);
  // The memory is as large as the batch, so all of it is replayed.
  const Tensor scores = course.head(at::cat({course.features(batch), course.features(old)}));
  EXPECT_NEAR(course.loss(batch), mean_loss(scores, at::cat({batch.target, old.target})), 1e-5);
}

// p <- β p + (1 - β) m for the group's mean m, the first time p = m.
Tensor moved(const Tensor& p, const Tensor& features, const std::vector<int64_t>& rows,
             double kept) {
  Tensor mean = at::zeros({features.size(1)});
  for (const int64_t row : rows) mean = mean + features[row];
  mean = mean / double(rows.size());
  return p.defined() ? p * kept + mean * (1 - kept) : mean;
}

std::vector<int64_t> rows_with(const Tensor& targets, int64_t target) {
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < targets.size(0); ++i)
    if (targets[i].item<int64_t>() == target) rows.push_back(i);
  return rows;
}

TEST(Vqacl, MovesThePrototypesOfTasksAndAnswers) {
  FusionCourse course("vqacl",
                      {"learner.memory=6", "learner.question_kept=0.75", "learner.image_kept=0.5"});
  course.begin();
  const Batch first = course.batch(0, 6), second = course.batch(6, 12);
  for (const Batch* batch : {&first, &second}) course.loss(*batch);
  const auto parts = [&](const Batch& batch) { return parts_of_fused(course.features(batch)); };
  const std::vector<int64_t> all = {0, 1, 2, 3, 4, 5};
  const Tensor asked =
      moved(moved({}, parts(first).question, all, 0), parts(second).question, all, 0.75);
  EXPECT_LT(relative_error(course.state().at("questions"), asked.unsqueeze(0)), 1e-5);
  std::vector<Tensor> seen;
  for (const int64_t c : {0, 1})
    seen.push_back(moved(moved({}, parts(first).image, rows_with(first.target, c), 0),
                         parts(second).image, rows_with(second.target, c), 0.5));
  EXPECT_LT(relative_error(course.state().at("images"), at::stack(seen)), 1e-5);

  // In the next task the memory moves the prototypes of the first one, and the task's own begin.
  course.drive.learner->remember(second);
  course.begin();
  const Batch third = course.batch(0, 6);
  course.loss(third);
  const auto now = course.state();
  EXPECT_LT(relative_error(now.at("questions")[0], moved(asked, parts(second).question, all, 0.75)),
            1e-5);
  EXPECT_LT(relative_error(now.at("questions")[1], moved({}, parts(third).question, all, 0)), 1e-5);
  for (const int64_t c : {0, 1})
    EXPECT_LT(relative_error(now.at("images")[c], moved(seen[size_t(c)], parts(second).image,
                                                        rows_with(second.target, c), 0.5)),
              1e-5);
}

TEST(Vqacl, ReadsTheNearestPrototypes) {
  FusionCourse course("vqacl");
  course.begin();
  const Batch batch = course.batch(0, 8);
  const Tensor features = course.features(batch);
  const int64_t e = features.size(1) / 4;
  // Before anything is learned there are none.
  const Tensor none = at::zeros({8, 2 * e});
  EXPECT_LT(relative_error(course.drive.learner->scores(batch),
                           course.head(at::cat({features, none}, 1))),
            1e-5);
  course.loss(batch);
  const auto s = course.state();
  const auto nearest = [](const Tensor& prototypes, const Tensor& feature) {
    Tensor best;
    double largest = -2;
    for (int64_t i = 0; i < prototypes.size(0); ++i) {
      const Tensor a = at::tanh(prototypes[i]), b = at::tanh(feature);
      const double cosine = ((a * b).sum() / (a.norm() * b.norm())).item<double>();
      if (cosine > largest) {
        largest = cosine;
        best = prototypes[i];
      }
    }
    return best;
  };
  std::vector<Tensor> rows;
  const auto [image, question] = parts_of_fused(features);
  for (int64_t i = 0; i < 8; ++i)
    rows.push_back(at::cat(
        {features[i], nearest(s.at("images"), image[i]), nearest(s.at("questions"), question[i])}));
  const Tensor scores = course.head(at::stack(rows));
  EXPECT_LT(relative_error(course.drive.learner->scores(batch), scores), 1e-5);
}

// A class that is announced and was not met has no prototype, so none of its zeros is chosen.
TEST(Vqacl, DoesNotChooseWhatItHasNotMet) {
  FusionCourse course("vqacl");
  course.begin();
  course.loss(course.batch(0, 8));
  const Batch batch = course.batch(0, 8);
  const Tensor before = course.drive.learner->scores(batch);
  course.begin();
  EXPECT_TRUE(at::equal(course.drive.learner->scores(batch).slice(1, 0, 2), before) ||
              relative_error(course.drive.learner->scores(batch).slice(1, 0, 2), before) < 1e-6);
}

// A session learns questions, predicts, and answers the same after it is opened again.
TEST(Vqacl, GoesOnFromAnArtefact) {
  const fs::path path = scratch_folder("fused-session") / "asked.patina";
  const auto train = std::make_shared<Asked<ToySource>>(4, 8, 1);
  const Asked<ToySource> test(4, 3, 2);
  Session session = Session::create(
      toy_fused(), {.learner = "vqacl",
                    .options = {{"hidden", 32}},
                    .training = {{"epochs", 20}, {"batch_size", 8}, {"lr", 0.003}}});
  session.learn(train);
  const auto said = session.predict(test);
  int right = 0;
  for (size_t i = 0; i < said.size(); ++i)
    right += said[i].front().name == test.classes()[size_t(test.label(int64_t(i)))];
  EXPECT_GT(right, 9);
  session.save(path);
  OpenOptions open;
  open.backbone = toy_fused();
  const auto again = Session::open(path, std::move(open)).predict(test);
  for (size_t i = 0; i < said.size(); ++i) {
    EXPECT_EQ(again[i].front().name, said[i].front().name);
    EXPECT_EQ(again[i].front().score, said[i].front().score);
  }
}

}  // namespace
}  // namespace patina

// The closed-form learners against the formulas of their papers, computed plainly; the trainer's
// epochs, features and the state of a task half done.
#include <gtest/gtest.h>

#include <cmath>
#include <optional>

#include "patina/config/recipe_file.h"
#include "patina/data/sample_access.h"
#include "patina/learn/adapted.h"
#include "patina/learners/add_learner.h"
#include "patina/learners/registry.h"
#include "patina/nn/dropout.h"
#include "tests/support/bound_options.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

constexpr int64_t kClasses = 6, kPerClass = 8;

/// A toy stream of three tasks over a tiny random ViT.
struct World {
  DataSplits data = toy_data(kClasses, kPerClass, 4);
  Scenario scenario = make_scenario({.classes_per_task = 2}, data);
  std::unique_ptr<ViT> vit = random_vit();
  ImageFeed train{{.size = 16, .normalize = "inception", .flip = true}};
  ImageFeed test{{.size = 16, .normalize = "inception"}};
  ThreadPool pool{2};
  Seeds seeds{5};

  std::unique_ptr<Learner> make(const std::string& name,
                                const std::vector<std::string>& settings = {}) {
    return find_learner(name)->make({*vit, seeds}, *bound_options(name, settings));
  }
  Trainer trainer(TrainingOptions options = {}, std::function<void()> between_steps = {}) {
    return {std::move(options), train, test, pool, seeds, std::move(between_steps)};
  }
  void learn(Learner& learner, Trainer& trainer) {
    auto stream = scenario.stream();
    while (const auto task = stream.next()) {
      learner.begin_task(*task, trainer);
      learner.fit(*task, trainer);
      learner.end_task(*task, trainer);
    }
  }
  /// Test-transform features and targets of everything in the three tasks, in double.
  FeatureSet features(bool training) {
    Trainer own = trainer();
    std::vector<Tensor> features, targets;
    auto stream = scenario.stream();
    while (const auto task = stream.next()) {
      const auto set = own.features(*vit, training ? *task->train : scenario.test(task->index));
      features.push_back(set.features.to(at::kDouble));
      targets.push_back(set.targets);
    }
    return {at::cat(features), at::cat(targets)};
  }
  Tensor scores(Learner& learner) {
    Trainer own = trainer();
    std::vector<Tensor> rows;
    for (int task = 0; task < scenario.tasks(); ++task)
      own.each_batch(scenario.test(task), "scores",
                     [&](const Batch& batch) { rows.push_back(learner.scores(batch)); });
    return at::cat(rows);
  }
};

Tensor members(const FeatureSet& set, int64_t c) {
  return set.features.index_select(0, (set.targets == c).nonzero().squeeze(1));
}

TEST(SimpleCil, ScoresAreCosinesToClassMeans) {
  World world;
  Trainer trainer = world.trainer();
  const auto learner = world.make("simplecil");
  world.learn(*learner, trainer);
  const auto train = world.features(true), test = world.features(false);
  Tensor expected = at::empty({test.features.size(0), kClasses}, at::kDouble);
  for (int64_t c = 0; c < kClasses; ++c) {
    const Tensor mean = members(train, c).mean(0);
    for (int64_t i = 0; i < expected.size(0); ++i)
      expected[i][c] = (test.features[i] * mean).sum() /
                       (test.features[i].square().sum().sqrt() * mean.square().sum().sqrt());
  }
  EXPECT_LT(relative_error(world.scores(*learner), expected), 1e-5);
}

/// FeCAM's scores of `test`, by the definition and an explicit inverse: shrinkage α₁ and α₂ of
/// features of length one, or LAMDA-PILOT's, for which α₁ is 0.
Tensor fecam_scores(const FeatureSet& train, const FeatureSet& test, double alpha1, double alpha2) {
  const auto unit = [](const Tensor& x) { return x / x.square().sum(-1, true).sqrt(); };
  const bool pilot = alpha1 == 0;
  const int64_t dims = train.features.size(1);
  const Tensor asked = unit(test.features);
  Tensor scores = at::empty({asked.size(0), kClasses}, at::kDouble);
  for (int64_t c = 0; c < kClasses; ++c) {
    const Tensor own = pilot ? members(train, c) : unit(members(train, c)), mean = own.mean(0);
    const Tensor raw = at::matmul((own - mean).t(), own - mean) / double(kPerClass - 1);
    Tensor shrunk = raw.clone();
    double diagonal = 0, others = 0;
    for (int64_t i = 0; i < dims; ++i)
      for (int64_t j = 0; j < dims; ++j) (i == j ? diagonal : others) += raw[i][j].item<double>();
    diagonal /= double(dims), others /= double(dims * (dims - 1));
    for (int64_t i = 0; i < dims; ++i)
      for (int64_t j = 0; j < dims; ++j)
        shrunk[i][j] += pilot ? (i == j ? 100 : 0) : i == j ? alpha1 * diagonal : alpha2 * others;
    Tensor correlation = at::empty_like(shrunk);
    for (int64_t i = 0; i < dims; ++i)
      for (int64_t j = 0; j < dims; ++j)
        correlation[i][j] = shrunk[i][j] / (shrunk[i][i] * shrunk[j][j]).sqrt();
    const Tensor inverse = at::linalg_solve(correlation, at::eye(dims, at::kDouble));
    const Tensor u = asked - (pilot ? unit(mean) : mean);
    scores.select(1, c).copy_(-(at::matmul(u, inverse) * u).sum(1));
  }
  return scores;
}

TEST(FeCam, ScoresAreNegativeMahalanobisDistances) {
  const std::vector<std::tuple<std::vector<std::string>, double, double>> cases = {
      {{}, 1, 0},
      {{"shrinkage=10", "off_diagonal_shrinkage=10"}, 10, 10},
      {{"shrinkage=0.5", "off_diagonal_shrinkage=0.25"}, 0.5, 0.25},
      {{"compat=pilot"}, 0, 0}};
  for (const auto& [settings, alpha1, alpha2] : cases) {
    World world;
    Trainer trainer = world.trainer();
    const auto learner = world.make("fecam", settings);
    world.learn(*learner, trainer);
    const Tensor expected =
        fecam_scores(world.features(true), world.features(false), alpha1, alpha2);
    EXPECT_LT(relative_error(world.scores(*learner), expected), 1e-5) << alpha1 << " " << alpha2;
  }
}

TEST(FeCam, ScoresDoNotDependOnTheScaleOfFeatures) {
  Tensor scores[2];
  for (const int large : {0, 1}) {
    World world;
    if (large)
      for (const char* name : {"norm.weight", "norm.bias"}) weight_of(*world.vit, name).mul_(10);
    Trainer trainer = world.trainer();
    const auto learner = world.make("fecam");
    world.learn(*learner, trainer);
    scores[large] = world.scores(*learner);
  }
  EXPECT_LT(relative_error(scores[1], scores[0]), 1e-5);
}

// A class of one sample has no covariance: its distance is Euclid's.
TEST(FeCam, LearnsAClassFromOneSample) {
  World world{.data = toy_data(kClasses, 1, 4)};
  Trainer trainer = world.trainer();
  const auto learner = world.make("fecam");
  world.learn(*learner, trainer);
  const FeatureSet known = world.features(true);
  const Tensor asked = world.features(false).features;
  Tensor expected = at::empty({asked.size(0), kClasses}, at::kDouble);
  for (int64_t i = 0; i < asked.size(0); ++i)
    for (int64_t c = 0; c < kClasses; ++c) {
      const auto unit = [](const Tensor& x) { return x / x.square().sum().sqrt(); };
      expected[i][c] = -(unit(asked[i]) - unit(members(known, c)[0])).square().sum();
    }
  EXPECT_LT(relative_error(world.scores(*learner), expected), 1e-5);
}

// With one penalty in the grid: W = (G + λI)⁻¹ Q over the projected features of all tasks.
TEST(RanPac, ScoresAreTheRidgeSolutionOfAllTasks) {
  World world;
  Trainer trainer = world.trainer();
  const auto learner =
      world.make("ranpac", {"projection=32", "grid_low=1", "grid_high=1", "adaptation=none"});
  world.learn(*learner, trainer);

  Tensor projection = at::empty({world.vit->width(), 32});
  Random random = world.seeds("projection");
  random.fill_normal(host_values(projection));
  const auto train = world.features(true), test = world.features(false);
  const auto wide = [&](const Tensor& features) {
    return at::relu(at::matmul(features, projection.to(at::kDouble)));
  };
  const Tensor h = wide(train.features), y = at::one_hot(train.targets, kClasses).to(at::kDouble);
  const auto [eigen, vectors] = at::linalg_eigh(at::matmul(h.t(), h));
  const Tensor w = at::matmul(vectors, at::matmul(vectors.t(), at::matmul(h.t(), y)) /
                                           (eigen.clamp_min(0) + 10).unsqueeze(1));
  EXPECT_LT(relative_error(world.scores(*learner), at::matmul(wide(test.features), w)), 1e-4);
}

TEST(ClosedForms, LearnTheToyAndComeBackFromAnArchive) {
  for (const std::string name : {"simplecil", "ranpac", "fecam"}) {
    World world;
    Trainer trainer = world.trainer();
    const auto learner = world.make(name);
    world.learn(*learner, trainer);
    const Tensor scores = world.scores(*learner);
    ASSERT_EQ(scores.sizes(), at::IntArrayRef({4 * kClasses, kClasses}));
    const auto right = (scores.argmax(1) == world.features(false).targets).to(at::kFloat).mean();
    EXPECT_GT(right.item<float>(), 0.5) << name;  // chance is 1 in 6

    const auto path = scratch_folder("learner_" + name) / "state";
    Archive save;
    learner->state(save);
    save.write(path);
    const auto back = world.make(name);
    Archive load = Archive::read(path);
    back->state(load);
    EXPECT_TRUE(at::equal(world.scores(*back), scores)) << name;
  }
}

TEST(Registry, KnowsItsRows) {
  EXPECT_EQ(find_learner("nobody"), nullptr);
  EXPECT_EQ(learner_names().size(), learners().size());
  for (const auto& row : learners()) {
    EXPECT_EQ(find_learner(row.name), &row);
    EXPECT_FALSE(row.paper.empty() || row.about.empty() || row.family.empty()) << row.name;
  }
}

TEST(Registry, TakesLearnersOfApplications) {
  LearnerRow row = *find_learner("simplecil");
  const auto added = [&](const char* name) {
    return error_of([&] {
      row.name = name;
      add_learner(row);
    });
  };
  EXPECT_TRUE(contains(added("simplecil"), "simplecil is one of patina's own"));
  for (const char* name : {"", "My", "a b", "a.b", "a\n"})
    EXPECT_TRUE(contains(added(name), "cannot be the name")) << name;
  EXPECT_EQ(added("of_an_application"), "");
  const LearnerRow* first = find_learner("of_an_application");
  ASSERT_NE(first, nullptr);
  row.about = "the second";
  EXPECT_EQ(added("of_an_application"), "");
  EXPECT_EQ(find_learner("of_an_application")->about, "the second");
  EXPECT_NE(first->about, "the second");  // who uses it goes on
  EXPECT_EQ(learner_names().size(), learners().size() + 1);
  EXPECT_EQ(learner_names().back(), "of_an_application");
}

TEST(Trainer, FeaturesFollowTheDatasetsOrderAndTheTestTransform) {
  World world;
  Trainer trainer = world.trainer();
  const Dataset data(*world.data.train, {30, 2, 17}, {0, 1, 2});
  const auto set = trainer.features(*world.vit, data);
  EXPECT_EQ(items_of(set.targets), (std::vector<int64_t>{0, 1, 2}));
  EXPECT_FALSE(set.features.requires_grad());
  Tensor input = at::empty({3, 3, 16, 16});
  for (int64_t i = 0; i < 3; ++i)
    world.test.transform()(world.data.train->image(SampleAccess::position(data, i)), Random(),
                           {input.data_ptr<float>() + i * 768, 768});
  EXPECT_LT(relative_error(set.features, world.vit->features(input)), 1e-6);
}

const TrainingOptions kTraining{
    .epochs = 3,
    .batch_size = 5,
    .optimizer = {.optimizer = "adam", .lr = 0.01, .schedule = "cosine", .warmup_epochs = 1}};

// Everything a run would keep: the learner and the trainer between two steps.
struct Snapshot {
  fs::path path;
  void take(Learner& learner, Trainer& trainer) const {
    Archive a;
    a("learner", learner);
    a("trainer", trainer);
    a.write(path);
  }
  void restore(Learner& learner, Trainer& trainer) const {
    Archive a = Archive::read(path);
    a("learner", learner);
    a("trainer", trainer);
  }
};

TEST(Trainer, ResumesInsideATaskToTheSameBits) {
  const Snapshot snapshot{scratch_folder("trainer") / "state"};
  // 16 samples in batches of 5: four steps an epoch. Stop at an epoch's start, inside, and at its
  // end.
  for (const int stop : {1, 4, 6, 12}) {
    World whole, broken, resumed;
    int steps = 0;
    std::unique_ptr<Learner> learner = whole.make("finetune");
    Trainer trainer = whole.trainer(kTraining, [&] { ++steps; });
    auto stream = whole.scenario.stream();
    const Task task = *stream.next();
    learner->begin_task(task, trainer);
    learner->fit(task, trainer);
    EXPECT_EQ(steps, 12);

    struct Stop {};
    std::unique_ptr<Learner> killed = broken.make("finetune");
    std::optional<Trainer> killed_trainer;
    steps = 0;
    killed_trainer.emplace(kTraining, broken.train, broken.test, broken.pool, broken.seeds, [&] {
      if (++steps < stop) return;
      snapshot.take(*killed, *killed_trainer);
      throw Stop();
    });
    killed->begin_task(task, *killed_trainer);
    EXPECT_THROW(killed->fit(task, *killed_trainer), Stop);

    steps = 0;
    std::unique_ptr<Learner> back = resumed.make("finetune");
    Trainer back_trainer = resumed.trainer(kTraining, [&] { ++steps; });
    snapshot.restore(*back, back_trainer);
    back->fit(task, back_trainer);
    EXPECT_EQ(steps, 12 - stop);
    for (World* world : {&whole, &resumed}) ASSERT_EQ(nn::trainable(*world->vit).size(), 30u);
    EXPECT_TRUE(at::equal(resumed.scores(*back), whole.scores(*learner))) << stop;
  }
}

// Sees nothing but what a step drops.
class Drops : public Learner {
 public:
  Tensor loss(const Batch& batch, const Step&) override {
    dropped.push_back(nn::dropout(at::ones({4, 16}), 0.5));
    return weight_ * double(batch.size());
  }
  Tensor scores(const Question&) const override { return {}; }
  std::vector<ParamGroup> trainable() override { return {{.tensors = {weight_}}}; }
  void state(Archive&) override {}

  std::vector<Tensor> dropped;

 private:
  Tensor weight_ = at::zeros({}).requires_grad_(true);
};

TEST(Trainer, DropsTheSameUnitsWhereAStepIsDoneAgain) {
  const Snapshot snapshot{scratch_folder("drops") / "state"};
  World world;
  auto stream = world.scenario.stream();
  const Task task = *stream.next();
  Drops whole;
  int steps = 0;
  std::optional<Trainer> trainer;
  trainer.emplace(kTraining, world.train, world.test, world.pool, world.seeds, [&] {
    if (++steps == 7) snapshot.take(whole, *trainer);
  });
  trainer->epochs(whole, task);
  ASSERT_EQ(whole.dropped.size(), 12u);
  for (size_t i = 1; i < 12; ++i) EXPECT_FALSE(at::equal(whole.dropped[i], whole.dropped[i - 1]));

  Drops back;
  Trainer again = world.trainer(kTraining);
  snapshot.restore(back, again);
  again.epochs(back, task);
  ASSERT_EQ(back.dropped.size(), 5u);
  for (size_t i = 0; i < 5; ++i) EXPECT_TRUE(at::equal(back.dropped[i], whole.dropped[7 + i]));
}

// Notes the samples of every step, their pixels, and what it was to remember.
class Notes : public Learner {
 public:
  Tensor loss(const Batch& batch, const Step&) override {
    order.push_back(batch.row);
    pixels.push_back(batch.input.pixels());
    return weight_ * double(batch.size());
  }
  Tensor scores(const Question&) const override { return {}; }
  std::vector<ParamGroup> trainable() override { return {{.tensors = {weight_}}}; }
  void state(Archive&) override {}
  void remember(const Batch& batch) override { remembered.push_back(batch.row); }

  std::vector<Tensor> order, pixels, remembered;

 private:
  Tensor weight_ = at::zeros({}).requires_grad_(true);
};

Tensor part(const std::vector<Tensor>& list, size_t from, size_t count) {
  const auto first = list.begin() + std::ptrdiff_t(from);
  return at::cat(std::vector<Tensor>(first, first + std::ptrdiff_t(count)));
}

// As pruning and training again, or compression after boosting.
TEST(Trainer, GivesEachTrainingOfATaskItsOwnOrderAndAugmentations) {
  const Snapshot snapshot{scratch_folder("trainings") / "state"};
  World world;
  auto stream = world.scenario.stream();
  const Task first = *stream.next(), second = *stream.next();
  Notes whole, once;
  int steps = 0;
  std::optional<Trainer> trainer;
  trainer.emplace(kTraining, world.train, world.test, world.pool, world.seeds, [&] {
    if (++steps == 18) snapshot.take(whole, *trainer);
  });
  for (const Task& task : {first, first, second}) trainer->epochs(whole, task);
  ASSERT_EQ(whole.order.size(), 36u) << "three epochs of four steps each";
  for (const size_t epoch : {0, 4, 8}) {
    const Tensor before = part(whole.order, epoch, 4), again = part(whole.order, 12 + epoch, 4);
    EXPECT_FALSE(at::equal(before, again));
    // The same samples, of which half are flipped; not the same half.
    const auto sorted = [&](size_t from) {
      return part(whole.pixels, from, 4).index_select(0, part(whole.order, from, 4).argsort());
    };
    EXPECT_FALSE(at::equal(sorted(epoch), sorted(12 + epoch)));
  }
  ASSERT_EQ(whole.remembered.size(), 8u) << "a sample is remembered once";
  EXPECT_TRUE(at::equal(part(whole.remembered, 4, 4), part(whole.order, 24, 4)));

  // A first training is the same after one training of the task before or several.
  Trainer other = world.trainer(kTraining);
  for (const Task& task : {first, second}) other.epochs(once, task);
  for (size_t i = 0; i < 12; ++i) {
    EXPECT_TRUE(at::equal(once.order[i], whole.order[i]));
    EXPECT_TRUE(at::equal(once.pixels[12 + i], whole.pixels[24 + i]));
  }

  // Resumed within the second training.
  Notes back;
  Trainer resumed = world.trainer(kTraining);
  snapshot.restore(back, resumed);
  resumed.epochs(back, first);
  ASSERT_EQ(back.order.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_TRUE(at::equal(back.order[i], whole.order[18 + i]));
    EXPECT_TRUE(at::equal(back.pixels[i], whole.pixels[18 + i]));
  }
}

TEST(Trainer, NamesALossThatIsNotFinite) {
  World world;
  const auto learner = world.make("finetune");
  TrainingOptions options = kTraining;
  options.optimizer = {.optimizer = "sgd", .lr = 1e30, .schedule = "constant"};
  Trainer trainer = world.trainer(options);
  auto stream = world.scenario.stream();
  const Task task = *stream.next();
  learner->begin_task(task, trainer);
  EXPECT_PRED2(contains, error_of([&] { learner->fit(task, trainer); }),
               "lower training.lr or set training.clip_norm");
}

}  // namespace
}  // namespace patina

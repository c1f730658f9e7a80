// Sessions: learning gives the same results as a stream; they survive saving, and can be used while
// more is learned.
#include "patina/session/session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "patina/data/views.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

constexpr int64_t kClasses = ToyWorld::kClasses;

/// `per_class` images of each of some toy classes: [N,3,16,16] uint8.
struct Pictures {
  Tensor images;
  std::vector<int64_t> labels;
  std::vector<std::string> names;

  Pictures(const std::vector<int64_t>& classes, int64_t per_class, uint64_t seed = 1) {
    const ToySource source(kClasses, per_class, seed);
    std::vector<Tensor> rows;
    for (size_t c = 0; c < classes.size(); ++c) {
      names.push_back(source.classes()[size_t(classes[c])]);
      for (int64_t i = 0; i < source.size(); ++i) {
        if (source.label(i) != classes[c]) continue;
        const Image image = source.image(i);
        Tensor pixels = at::empty({image.height, image.width, 3}, at::kByte);
        std::ranges::copy(image.pixels, pixels.data_ptr<uint8_t>());
        rows.push_back(pixels.permute({2, 0, 1}));
        labels.push_back(int64_t(c));
      }
    }
    images = at::stack(rows);
  }
};

Session session_of(const std::string& learner, Settings options = {}, EngineOptions engine = {}) {
  return Session::create(kImages.network(learner), {.learner = learner,
                                                    .options = std::move(options),
                                                    .training = {{"epochs", 2}, {"batch_size", 8}},
                                                    .seed = 7,
                                                    .engine = std::move(engine)});
}

void teach_tasks(Session& session, const std::vector<std::vector<int64_t>>& tasks) {
  for (const auto& classes : tasks) {
    const Pictures task(classes, 8);
    session.learn(task.images, task.labels, task.names);
  }
}

std::vector<double> scores_of(const Session& session, const Pictures& pictures) {
  std::vector<double> scores;
  for (int64_t i = 0; i < pictures.images.size(0); ++i)
    for (const auto& found : session.predict(pictures.images[i], {.top = 100})) {
      scores.push_back(double(found.number));
      scores.push_back(found.score);
    }
  return scores;
}

double accuracy(const Session& session, const Pictures& pictures) {
  int64_t right = 0;
  for (int64_t i = 0; i < pictures.images.size(0); ++i)
    right += session.predict(pictures.images[i]).front().name ==
             pictures.names[size_t(pictures.labels[size_t(i)])];
  return double(right) / double(pictures.images.size(0));
}

// The example in the README.
TEST(Session, LearnsPredictsIsSavedAndOpened) {
  auto session = session_of("ranpac", {{"projection", 100}, {"adaptation", "none"}});
  const Pictures pets({0, 1, 2}, 8), asked({0, 1, 2}, 3, 2);
  session.learn(pets.images, pets.labels, {"cat", "dog", "cow"});
  const auto top = session.predict(pets.images[0], {.top = 5});
  ASSERT_EQ(top.size(), 3u) << "no more than are known";
  EXPECT_EQ(top[0].name, "cat");
  EXPECT_GE(top[0].score, top[1].score);
  const auto path = scratch_folder("session") / "pets.patina";
  session.save(path);
  const auto again = Session::open(path, {.backbone = kImages.network("ranpac")});
  EXPECT_EQ(again.classes(), (std::vector<std::string>{"cat", "dog", "cow"}));
  EXPECT_EQ(again.tasks(), 1);
  EXPECT_EQ(again.learner(), "ranpac");
  EXPECT_EQ(scores_of(again, asked), scores_of(session, asked)) << "the same bits";
}

// A server asks the file how far its journal was learned; whoever else saves it leaves that as it
// is.
TEST(Session, TheFileKnowsWhereAServersJournalStands) {
  auto session = session_of("simplecil");
  const auto path = scratch_folder("session") / "served.patina";
  session.save(path);
  const auto opened = [&] {
    return Session::open(path, {.backbone = kImages.network("simplecil")});
  };
  EXPECT_EQ(opened().journal(), "");
  session.save(path, {.journal = "name:7"});
  auto again = opened();
  EXPECT_EQ(again.journal(), "name:7");
  teach_tasks(again, {{0, 1}});
  again.save(path);
  EXPECT_EQ(opened().journal(), "name:7");
}

TEST(Session, FeaturesAreTheBackbonesAndOfEachSampleAlone) {
  const auto session = session_of("simplecil");
  const auto source = std::make_shared<const ToySource>(3, 2, 1);
  const Tensor all = session.features(*source).values;
  EXPECT_EQ(all.sizes(), (at::IntArrayRef{6, kImages.network("simplecil")->width()}));
  for (int64_t i = 0; i < source->size(); ++i)
    EXPECT_TRUE(session.features(Selection(source, {i})).values[0].allclose(all[i], 1e-4, 1e-5))
        << i;
  EXPECT_FALSE(all[0].allclose(all[1]));
}

class Learners : public testing::TestWithParam<std::string> {};

// Task after task in one session, and with saving and opening between any two tasks.
TEST_P(Learners, GoOnFromAFile) {
  auto whole = session_of(GetParam());
  teach_tasks(whole, {{0, 1}, {2, 3}, {4, 5}});
  const Pictures asked({0, 1, 2, 3, 4, 5}, 2, 2);
  EXPECT_GT(accuracy(whole, asked), 0.4);
  const auto path = scratch_folder("session") / (GetParam() + ".patina");
  session_of(GetParam()).save(path);
  for (const std::vector<int64_t>& classes : {std::vector<int64_t>{0, 1}, {2, 3}, {4, 5}}) {
    auto part = Session::open(path, {.backbone = kImages.network(GetParam())});
    teach_tasks(part, {classes});
    part.save(path);
  }
  const auto parts = Session::open(path, {.backbone = kImages.network(GetParam())});
  EXPECT_EQ(scores_of(parts, asked), scores_of(whole, asked));
}

INSTANTIATE_TEST_SUITE_P(OfEveryFamily, Learners,
                         testing::Values("simplecil", "ranpac", "slda", "ease", "slca", "l2p",
                                         "ewc", "mos", "duct", "aper"),
                         [](const auto& info) { return info.param; });

// The same results as a stream of the same tasks.
TEST(Session, EndsWhereTheRunEnds) {
  for (const std::string name : {"simplecil", "slda", "fecam"}) {
    const auto network = kImages.network(name);
    // With this engine a sample's bits do not depend on its batch.
    network->set_engine(nn::packed_engine(nn::Precision::fp32));
    Recipe recipe = toy_recipe(name, 2);
    recipe.scenario.class_order_seed = -1;
    recipe.train_transform = {};
    ToyDrive drive(name, std::move(recipe), kImages.data(8, 2), *network);
    while (const auto task = drive.stream.next()) drive.learn(*task);
    EngineOptions fp32;
    fp32.precision = "fp32";
    auto session = session_of(name, {}, fp32);
    const auto& source = *drive.data.train;
    for (int64_t first = 0; first < kClasses; first += 2) {
      std::vector<int64_t> kept;
      for (int64_t i = 0; i < source.size(); ++i)
        if (source.label(i) / 2 * 2 == first) kept.push_back(i);
      session.learn(std::make_shared<Selection>(std::make_shared<ToySource>(kClasses, 8, 1), kept));
    }
    EXPECT_EQ(session.eval(*drive.data.test).samples, drive.data.test->size());
    for (int task = 0; task < drive.scenario.tasks(); ++task) {
      const Batch batch = drive.test_batch(task);
      const Tensor scores = drive.learner->scores(batch);
      const auto found = session.predict(
          Selection(std::make_shared<ToySource>(kClasses, 2, 2), items_of(batch.sample())),
          {.top = kClasses});
      for (int64_t i = 0; i < batch.size(); ++i)
        for (const auto& one : found[size_t(i)])
          EXPECT_EQ(float(one.score), scores[i][one.number].item<float>()) << name;
    }
  }
}

// Of four classes, two of which were learned.
TEST(Session, EvalSaysWhatEachClassWasTakenFor) {
  auto session = session_of("simplecil");
  teach_tasks(session, {{0, 1}});
  const ToySource asked(4, 3, 2);
  const Assessment result = session.eval(asked);
  EXPECT_EQ(result.answers, session.classes());
  ASSERT_EQ(result.classes.size(), 4u);
  for (size_t c = 0; c < 4; ++c) {
    const auto& one = result.classes[c];
    EXPECT_EQ(one.known, c < 2);
    std::vector<int64_t> counted(2);
    for (int64_t i = 0; i < asked.size(); ++i)
      if (asked.label(i) == int64_t(c))
        ++counted[size_t(session.predict(Selection(std::make_shared<ToySource>(4, 3, 2), {i}))
                             .front()
                             .front()
                             .number)];
    EXPECT_EQ(one.predicted, counted);
    EXPECT_EQ(one.right, c < 2 ? one.predicted[c] : 0);
  }
}

TEST(Session, ForgetsAsIfItHadNeverLearned) {
  for (const char* name : {"simplecil", "fecam", "zsclip"}) {
    auto session = session_of(name), without = session_of(name);
    teach_tasks(session, {{0, 1}, {2, 3}, {4, 5}});
    session.forget("toy 2");
    teach_tasks(without, {{0, 1}, {3}, {4, 5}});
    const Pictures asked({0, 1, 3, 4, 5}, 2, 2);
    EXPECT_EQ(session.classes(), without.classes()) << name;
    EXPECT_EQ(scores_of(session, asked), scores_of(without, asked)) << name;
  }
}

// The network that was adapted to the first task still knows its classes.
TEST(Session, RefusesToForgetWhatAnAdaptationLearned) {
  auto session = session_of("fecam", {{"adaptation", "adapter"}});
  teach_tasks(session, {{0, 1}, {2, 3}});
  const Pictures asked({0, 1, 2, 3}, 2, 2);
  const auto before = scores_of(session, asked);
  EXPECT_TRUE(contains(error_of(ErrorKind::usage, [&] { session.forget("toy 2"); }),
                       "cannot be taken out"));
  EXPECT_EQ(scores_of(session, asked), before);
}

TEST(Session, TwoInOneProcessDoNotDisturbEachOther) {
  const Pictures asked({0, 1, 2, 3}, 2, 2);
  auto alone = session_of("slca");
  teach_tasks(alone, {{0, 1}, {2, 3}});
  const auto expected = scores_of(alone, asked);
  std::vector<std::vector<double>> found(2);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < found.size(); ++i)
    threads.emplace_back([&, i] {
      auto session = session_of("slca");
      teach_tasks(session, {{0, 1}, {2, 3}});
      found[i] = scores_of(session, asked);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& scores : found) EXPECT_EQ(scores, expected);
}

// Every answer comes from one complete model: of two, four or six classes.
TEST(Session, IsReadWhileItLearns) {
  for (const std::string name : {"simplecil", "ease"}) {
    auto session = session_of(name);
    const Pictures asked({0, 1}, 2, 2);
    teach_tasks(session, {{0, 1}});
    std::vector<std::vector<double>> allowed = {scores_of(session, asked)};
    {
      auto other = session_of(name);
      teach_tasks(other, {{0, 1}, {2, 3}});
      allowed.push_back(scores_of(other, asked));
      teach_tasks(other, {{4, 5}});
      allowed.push_back(scores_of(other, asked));
    }
    std::atomic<bool> done = false;
    std::atomic<int> strange = 0, answers = 0;
    std::vector<std::thread> readers;
    for (int i = 0; i < 3; ++i)
      readers.emplace_back([&] {
        while (!done) {
          // One question at a time, so that all its scores are of one model.
          const auto found = session.predict(asked.images[0], {.top = 100});
          std::vector<double> scores;
          for (const auto& one : found) {
            scores.push_back(double(one.number));
            scores.push_back(one.score);
          }
          ++answers;
          strange += std::ranges::none_of(allowed, [&](const auto& whole) {
            return std::equal(scores.begin(), scores.end(), whole.begin(),
                              whole.begin() + std::min(whole.size(), scores.size()));
          });
        }
      });
    teach_tasks(session, {{2, 3}, {4, 5}});
    while (answers < 6) std::this_thread::yield();
    done = true;
    for (auto& reader : readers) reader.join();
    EXPECT_EQ(strange, 0) << name;
    EXPECT_EQ(session.classes().size(), 6u);
  }
}

TEST(Session, CarriesItsBackbone) {
  auto session = session_of("simplecil");
  teach_tasks(session, {{0, 1}});
  const auto folder = scratch_folder("session");
  session.save(folder / "whole.patina", {.with_backbone = true});
  session.save(folder / "half.patina", {.with_backbone = true, .bf16 = true});
  session.save(folder / "bare.patina");
  const Pictures asked({0, 1}, 4, 2);
  const auto whole = Session::open(folder / "whole.patina");
  EXPECT_EQ(scores_of(whole, asked), scores_of(session, asked));
  EXPECT_LT(fs::file_size(folder / "half.patina"), fs::file_size(folder / "whole.patina"));
  EXPECT_EQ(accuracy(Session::open(folder / "half.patina"), asked), accuracy(session, asked));
  const auto refused = error_of([&] { Session::open(folder / "bare.patina"); });
  EXPECT_TRUE(contains(refused, "passed in memory")) << refused;
}

}  // namespace
}  // namespace patina

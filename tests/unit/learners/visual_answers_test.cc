// Methods that answer with text, on questions that only an image answers.
#include <gtest/gtest.h>

#include <set>

#include "patina/data/views.h"
#include "patina/run/drift.h"
#include "patina/session/probes.h"
#include "patina/store/feature_store.h"
#include "tests/support/answer_course.h"
#include "tests/support/answering_session.h"
#include "tests/support/errors.h"

namespace patina {
namespace {

std::shared_ptr<const Source> questions(int64_t set) {
  return std::make_shared<ToyQuestions>(set, 8);
}

Session seeing(const std::string& learner, int64_t epochs = 3) {
  return Session::create(
      toy_llava(),
      {.learner = learner,
       .training = {{"epochs", epochs}, {"batch_size", 4}, {"lr", 0.02}, {"pack", false}},
       .seed = 7,
       .engine = plain_fp32()});
}

std::vector<std::string> seen_answers(const Session& session, int64_t set) {
  std::vector<std::string> texts;
  for (const Answer& one : session.answer(ToyQuestions(set, 4), few())) texts.push_back(one.text);
  return texts;
}

double seen_loss(const Session& session, const Source& source) {
  return *session.eval_answers(source, {.probes = {"answer_loss"}}).probes[0].score;
}

// The same questions, each with the next one's image.
class OthersImages : public ToyQuestions {
 public:
  using ToyQuestions::ToyQuestions;
  Image image(int64_t i) const override { return ToyQuestions::image(i + 1); }
};

TEST(VisualAnswers, AreLearnedFromTheImage) {
  Session session = seeing("sft", 80);
  session.learn(questions(0));
  // The frozen head, with rows of random lengths, leaves the losses high and not every word in
  // reach; but the one question has four answers.
  const auto answers = seen_answers(session, 0);
  EXPECT_EQ(std::set<std::string>(answers.begin(), answers.end()).size(), 4u);
  EXPECT_EQ(answers.front(), "a");
  EXPECT_LT(seen_loss(session, ToyQuestions(0, 4)) + 0.5, seen_loss(session, OthersImages(0, 4)));
}

class VisualAnswersOf : public testing::TestWithParam<std::string> {};

// Two tasks, an artefact, and a third task after it is opened: as in one session, to the bit.
TEST_P(VisualAnswersOf, GoOnFromAnArtefact) {
  const fs::path path = scratch_folder("visual-" + GetParam()) / "seen.patina";
  Session session = seeing(GetParam());
  const double before = seen_loss(session, ToyQuestions(1, 4));
  for (const int64_t set : {0, 1}) session.learn(questions(set));
  EXPECT_LT(seen_loss(session, ToyQuestions(1, 4)), before);
  session.save(path);
  OpenOptions options;
  options.backbone = toy_llava();
  options.engine = plain_fp32();
  Session again = Session::open(path, std::move(options));
  EXPECT_EQ(seen_answers(again, 1), seen_answers(session, 1));
  for (Session* one : {&session, &again}) one->learn(questions(2));
  for (const int64_t set : {0, 1, 2})
    EXPECT_EQ(seen_loss(again, ToyQuestions(set, 4)), seen_loss(session, ToyQuestions(set, 4)))
        << set;
}

// An answer depends on no other sample of the batch.
TEST_P(VisualAnswersOf, DependOnTheirOwnImage) {
  Session session = seeing(GetParam());
  session.learn(questions(0));
  std::vector<std::string> alone;
  for (int64_t i = 0; i < 4; ++i) {
    const Selection one(std::make_shared<ToyQuestions>(0, 4), {i});
    alone.push_back(session.answer(one, few()).front().text);
  }
  EXPECT_EQ(seen_answers(session, 0), alone);
}

INSTANTIATE_TEST_SUITE_P(Learners, VisualAnswersOf,
                         testing::Values("sft", "sft_replay", "keeplora", "sefe", "hide"),
                         [](const auto& info) { return info.param; });

// Probes and the drift meter show the network the images, too.
TEST(VisualAnswers, AreMeasuredWithTheirImages) {
  AnswerCourse course("sft", {}, 64, 0, toy_answers<ToyQuestions>(), toy_llava());
  const Asking asking{
      .backbone = *course.network, .pool = course.rig.pool(), .max_tokens = 4, .batch = 3};
  Drift drift(asking, course.scenario, 20, "The sun is hot.");
  course.begin();
  const Generator& learner = *course.learner().generator();
  drift.measure(learner);
  EXPECT_NEAR(drift.points()[0].from_base, 0, 1e-7);
  course.fit();
  drift.measure(learner);
  EXPECT_GT(drift.points()[1].from_base, 1e-4);
  for (const std::string name : {"likelihood", "exact_match", "answer_loss"}) {
    std::vector<GivenAnswer> given;
    const Score score =
        make_probe(name)->ask(learner, asking, course.scenario.test(0), "test", given);
    ASSERT_TRUE(score.has_value()) << name;
    EXPECT_GE(*score, 0) << name;
  }
}

// The tower passes each of the four greys once, for all questions of all steps, and what is learned
// is learned to the bit as without a store.
TEST(VisualAnswers, PassEachImageThroughItsTowerOnce) {
  const auto store = std::make_shared<FeatureStore>(
      FeatureStoreOptions{.cache_bytes = 1 << 20, .cache_folder = "", .cache_disk_bytes = 0});
  auto cached = toy_llava();
  cached->set_cache(store);
  AnswerCourse with("sft", {}, 64, 0, toy_answers<ToyQuestions>(), std::move(cached));
  AnswerCourse without("sft", {}, 64, 0, toy_answers<ToyQuestions>(), toy_llava());
  for (int task = 0; task < 2; ++task) {
    for (AnswerCourse* course : {&with, &without}) course->begin();
    const Batch batch = with.batch();
    for (int again = 0; again < 2; ++again)
      EXPECT_EQ(with.learner().loss(batch, {.tokens = 8}).item<double>(),
                without.learner().loss(batch, {.tokens = 8}).item<double>())
          << "task " << task;
    for (AnswerCourse* course : {&with, &without}) {
      course->fit();
      course->learner().end_task(*course->task, course->rig.trainer());
    }
    const auto learned = with.state(), plain = without.state();
    for (const auto& [name, tensor] : plain)
      EXPECT_TRUE(at::equal(learned.at(name), tensor)) << name;
  }
  EXPECT_EQ(store->counts().misses, 4) << "images that passed the tower";
  EXPECT_GT(store->counts().hits, 20);
}

// A tower that learns, or that an adaptation changes, is computed anew.
TEST(VisualAnswers, AreNotKeptOfATowerThatLearns) {
  NoGrad no_grad;
  const auto store = std::make_shared<FeatureStore>(
      FeatureStoreOptions{.cache_bytes = 1 << 20, .cache_folder = "", .cache_disk_bytes = 0});
  auto network = toy_llava();
  network->set_cache(store);
  auto& llava = dynamic_cast<Llava&>(*network);
  Tensor images = at::zeros({2, 3, 8, 8});
  images[1].fill_(1);
  const Tensor plain = llava.image_features(images);
  EXPECT_EQ(store->counts().misses, 2);
  EXPECT_TRUE(at::equal(llava.image_features(images), plain));
  EXPECT_EQ(store->counts().hits, 2);
  for (auto& item : nn::tensors(llava))
    if (item.name == "image.blocks.0.attn.qkv.weight") item.tensor.mul_(2);
  EXPECT_FALSE(at::equal(llava.image_features(images), plain)) << "another tower";
  EXPECT_EQ(store->counts().misses, 4);
  for (auto& item : nn::tensors(llava))
    if (item.name.starts_with("image.")) item.tensor.requires_grad_(true);
  llava.image_features(images);
  EXPECT_EQ(store->counts().misses, 4);
  EXPECT_EQ(store->counts().hits, 2);
}

TEST(VisualAnswers, MayFollowTextsAloneUnlessSamplesAreKept) {
  Session session = seeing("sft"), replay = seeing("sft_replay");
  for (Session* one : {&session, &replay}) one->learn(questions(0));
  session.learn(lesson(1));
  EXPECT_GE(seen_loss(session, ToyAnswers(1, 4)), 0);
  EXPECT_TRUE(contains(error_of([&] { replay.learn(lesson(1)); }),
                       "does not mix texts about images with others"));
}

TEST(VisualAnswers, SayWhatIsWrong) {
  Session blind = answering("sft");
  EXPECT_TRUE(contains(error_of([&] { blind.learn(questions(0)); }), "reads texts alone"));
  Session packed = Session::create(
      toy_llava(), {.learner = "sft", .training = {{"pack", true}}, .engine = plain_fp32()});
  EXPECT_TRUE(contains(error_of([&] { packed.learn(questions(0)); }), "training.pack = false"));
}

}  // namespace
}  // namespace patina

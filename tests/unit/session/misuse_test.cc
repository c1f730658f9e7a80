// Mistakes in the use of a session: each is an Error that names it, and changes nothing.
#include <gtest/gtest.h>

#include <fstream>
#include <limits>

#include "patina/base/file.h"
#include "patina/ops.h"
#include "patina/session/session.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

Session fresh(const std::string& learner = "simplecil") {
  return Session::create(kImages.network(learner), {.learner = learner});
}

Tensor pictures(int64_t count, int64_t side = 16) {
  Random random = Seeds(3)("pictures");
  Tensor images = at::empty({count, 3, side, side});
  random.fill_uniform(host_values(images), 0, 1);
  return images;
}

#define EXPECT_REFUSED(statement, words)                              \
  do {                                                                \
    const std::string said = error_of([&] { (void)(statement); });    \
    EXPECT_TRUE(contains(said, words)) << #statement << "\n" << said; \
  } while (false)

TEST(SessionMisuse, OfCreation) {
  EXPECT_REFUSED(Session::create(nullptr), "this one is null");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"), {.learner = "simplcil"}),
                 "simplecil");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"),
                                 {.learner = "ranpac", .options = {{"projektion", 5}}}),
                 "did you mean \"projection\"?");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"),
                                 {.learner = "ranpac", .options = {{"projection", "wide"}}}),
                 "learner.projection");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"),
                                 {.learner = "ranpac", .options = {{"projection", -1}}}),
                 "learner.projection");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"), {.training = {{"epochs", 0}}}),
                 "training.epochs");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"), {.seed = -1}), "seed");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"), {.learner = "hat"}), "hat");
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"), {.learner = "zsclip"}),
                 "needs a CLIP");
  EngineOptions impossible;
  impossible.kind = "plain", impossible.precision = "bf16";
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"), {.engine = impossible}), "plain");
  TransformOptions larger;
  larger.size = 99;
  EXPECT_REFUSED(Session::create(kImages.network("simplecil"), {.test_transform = larger}),
                 "test_transform.size is 99");
}

TEST(SessionMisuse, OfLearning) {
  auto session = fresh();
  const auto learn = [&](const Tensor& images, const std::vector<int64_t>& labels,
                         const std::vector<std::string>& names) {
    session.learn(images, labels, names);
  };
  EXPECT_REFUSED(session.learn(nullptr), "null");
  EXPECT_REFUSED(learn({}, {}, {}), "undefined");
  EXPECT_REFUSED(learn(pictures(0), {}, {"cat"}), "no samples");
  EXPECT_REFUSED(learn(pictures(2), {0}, {"cat"}), "2 samples with 1 labels");
  EXPECT_REFUSED(learn(pictures(2), {0, 1}, {"cat"}), "a label is 1");
  EXPECT_REFUSED(learn(pictures(2), {0, -1}, {"cat"}), "a label is -1");
  EXPECT_REFUSED(learn(pictures(2), {0, 0}, {""}), "without a name");
  EXPECT_REFUSED(learn(pictures(2), {0, 1}, {"cat", "cat"}), "two of the classes");
  EXPECT_REFUSED(learn(at::zeros({2, 1, 16, 16}), {0, 0}, {"cat"}), "[N,3,H,W]");
  EXPECT_REFUSED(learn(at::zeros({2, 3, 16}), {0, 0}, {"cat"}), "[N,3,H,W]");
  EXPECT_REFUSED(learn(at::zeros({2, 3, 0, 16}), {0, 0}, {"cat"}), "sides of 1");
  EXPECT_REFUSED(learn(at::zeros({2, 3, 16, 16}, at::kLong), {0, 0}, {"cat"}), "another type");
  EXPECT_REFUSED(learn(pictures(2) * 255, {0, 0}, {"cat"}), "in [0, 1]");
  EXPECT_REFUSED(learn(pictures(2) * std::numeric_limits<float>::quiet_NaN(), {0, 0}, {"cat"}),
                 "in [0, 1]");
  EXPECT_REFUSED(session.learn(std::vector<fs::path>{"/nowhere.png"}, {0}, {"cat"}), "nowhere.png");
  EXPECT_REFUSED(session.forget("cat"), "\"cat\" is not a class");
  EXPECT_TRUE(session.classes().empty()) << "nothing of it was learned";
  EXPECT_EQ(session.tasks(), 0);

  session.learn(pictures(4, 20), {0, 0, 1, 1}, {"cat", "dog"});
  EXPECT_REFUSED(learn(pictures(2), {0, 0}, {"cat"}), "\"cat\" is already known");
  EXPECT_REFUSED(session.forget("kat"), "did you mean \"cat\"?");
  EXPECT_EQ(session.classes(), (std::vector<std::string>{"cat", "dog"}));
  auto slda = fresh("slda");
  slda.learn(pictures(4), {0, 0, 1, 1}, {"cat", "dog"});
  EXPECT_REFUSED(slda.forget("cat"), "cannot be taken out");
}

TEST(SessionMisuse, OfPredicting) {
  auto session = fresh();
  EXPECT_REFUSED(session.predict(pictures(1)), "nothing has been learned");
  session.learn(pictures(4), {0, 0, 1, 1}, {"cat", "dog"});
  EXPECT_REFUSED(session.predict(pictures(1), {.top = 0}), "top is 0");
  EXPECT_REFUSED(session.predict(pictures(2)), "one image");
  EXPECT_REFUSED(session.predict(pictures(0)), "one image");
  EXPECT_REFUSED(session.predict(fs::path("/nowhere.png")), "nowhere.png");
  EXPECT_REFUSED(session.predict(Text{"a cat", ""}), "taught images");
  EXPECT_REFUSED(session.eval(ToySource(2, 0)), "no samples");
}

TEST(SessionMisuse, OfArtefacts) {
  const auto folder = scratch_folder("misuse");
  auto session = fresh();
  session.learn(pictures(4), {0, 0, 1, 1}, {"cat", "dog"});
  const auto path = folder / "pets.patina";
  session.save(path);
  EXPECT_REFUSED(session.save(folder / "no such folder" / "x.patina"), "no such folder");
  EXPECT_REFUSED(Session::open(folder / "nothing.patina"), "nothing.patina");
  EXPECT_REFUSED(Session::open(path), "passed in memory");
  EXPECT_REFUSED(Session::open(path, {.backbone = random_vit(kTinyViT, 99)}),
                 "made on another network");
  write_text(folder / "text.patina", "not an artefact");
  EXPECT_REFUSED(Session::open(folder / "text.patina"), "text.patina");
  const Bytes whole = read_file(path);
  for (const size_t cut : {whole.size() - 1, whole.size() / 2, size_t{9}, size_t{0}}) {
    std::ofstream(folder / "cut.patina", std::ios::binary)
        .write(reinterpret_cast<const char*>(whole.data()), std::streamsize(cut));
    EXPECT_REFUSED(Session::open(folder / "cut.patina"), "cut.patina");
  }
  for (size_t at = 20; at < whole.size(); at += whole.size() / 23) {
    Bytes damaged = whole;
    damaged[at] ^= 0x20;
    std::ofstream(folder / "damaged.patina", std::ios::binary)
        .write(reinterpret_cast<const char*>(damaged.data()), std::streamsize(damaged.size()));
    EXPECT_NE(error_of([&] {
                Session::open(folder / "damaged.patina",
                              {.backbone = kImages.network("simplecil")});
              }),
              "")
        << "byte " << at;
  }
}

// Replay needs samples of earlier tasks, which this artefact does not have.
TEST(SessionMisuse, OfReplayFromAFile) {
  auto session = fresh("er");
  session.learn(pictures(4), {0, 0, 1, 1}, {"cat", "dog"});
  session.learn(pictures(4), {0, 0, 1, 1}, {"cow", "hen"});
  const auto path = scratch_folder("misuse") / "er.patina";
  session.save(path, {.samples = false});
  auto again = Session::open(path, {.backbone = kImages.network("er")});
  EXPECT_EQ(again.predict(pictures(1)[0]).size(), 1u);
  EXPECT_REFUSED(again.learn(pictures(2), {0, 0}, {"pig"}), "replays samples");
}

}  // namespace
}  // namespace patina

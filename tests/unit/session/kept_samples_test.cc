// The samples of earlier tasks in an artefact: learners that keep some learn on from a file as they
// do in one session, and a file without them says so.
#include "patina/session/kept_samples.h"

#include <gtest/gtest.h>

#include <fstream>

#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/data/views.h"
#include "patina/run/run.h"
#include "patina/session/session.h"
#include "patina/session/session_state.h"
#include "patina/session/sources.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

fs::path place_of_file(const std::string& name) {
  return scratch_folder("kept-samples-" + name) / (name + ".patina");
}

// The samples of two of the toy classes.
std::shared_ptr<const Source> lesson(const ToyWorld& world, int64_t first) {
  std::shared_ptr<const Source> all = world.data(8, 2).train;
  std::vector<int64_t> own;
  for (int64_t i = 0; i < all->size(); ++i)
    if (all->label(i) / 2 * 2 == first) own.push_back(i);
  return std::make_shared<Selection>(all, own);
}

Session keeping_session(const std::string& learner, std::vector<std::string> settings = {}) {
  const auto short_ones = brief(learner);
  settings.insert(settings.begin(), short_ones.begin(), short_ones.end());
  SessionOptions options;
  options.learner = learner;
  options.training = {{"epochs", 2}, {"batch_size", 8}};
  options.overrides = settings;
  options.seed = 7;
  options.train_transform.flip = !reads_texts(learner);  // random, by the place of a sample
  return Session::create(world_of(learner).network(learner), options);
}

Session opened(const std::string& learner, const fs::path& path) {
  return Session::open(path, {.backbone = world_of(learner).network(learner)});
}

std::vector<double> scores_of(const Session& session, const Source& asked) {
  std::vector<double> scores;
  for (const auto& one : session.predict(asked, {.top = 100}))
    for (const auto& found : one) scores.push_back(found.score);
  return scores;
}

Artefact header_of(const fs::path& path) {
  Archive archive = Archive::read(path);
  Artefact artefact;
  archive("artefact", artefact);
  return artefact;
}

std::vector<std::string> keepers() {
  std::vector<std::string> names;
  for (const auto& row : learners())
    if (row.keeps_samples && !row.generates && !missing(row.needs, kClassIncremental))
      names.push_back(row.name);
  return names;
}

class Keepers : public testing::TestWithParam<std::string> {};

// One session, and one that is saved and opened between any two tasks.
TEST_P(Keepers, GoOnFromAFile) {
  const ToyWorld& world = world_of(GetParam());
  auto whole = keeping_session(GetParam());
  const fs::path path = place_of_file(GetParam());
  keeping_session(GetParam()).save(path);
  for (const int64_t first : {0, 2, 4}) {
    whole.learn(lesson(world, first));
    auto part = opened(GetParam(), path);
    part.learn(lesson(world, first));
    part.save(path);
    EXPECT_GT(header_of(path).kept, 0);
    EXPECT_EQ(header_of(path).left_out, 0);
  }
  const auto asked = world.data(8, 2);
  EXPECT_EQ(scores_of(opened(GetParam(), path), *asked.test), scores_of(whole, *asked.test));
}

INSTANTIATE_TEST_SUITE_P(OfEveryKind, Keepers, testing::ValuesIn(keepers()),
                         [](const auto& info) { return info.param; });

// The file has the memory's samples and no more; without them it predicts the same, and refuses.
TEST(KeptSamples, AreThoseOfTheMemory) {
  auto session = keeping_session("er", {"learner.memory=5"});
  session.learn(lesson(kImages, 0));
  session.learn(lesson(kImages, 2));
  const fs::path with = place_of_file("with"), without = place_of_file("without");
  session.save(with);
  session.save(without, {.samples = false});
  EXPECT_EQ(header_of(with).kept, 5);
  EXPECT_EQ(header_of(without).kept, 0);
  EXPECT_EQ(header_of(without).left_out, 5);
  EXPECT_LT(fs::file_size(without), fs::file_size(with));
  const auto asked = kImages.data(8, 2);
  auto bare = opened("er", without);
  EXPECT_EQ(scores_of(bare, *asked.test), scores_of(session, *asked.test));
  EXPECT_TRUE(contains(error_of(ErrorKind::usage, [&] { bare.learn(lesson(kImages, 4)); }),
                       "this artefact was saved without them"));
  // What was left out does not come back.
  const fs::path again = place_of_file("again");
  bare.save(again);
  EXPECT_EQ(header_of(again).kept, 0);
  EXPECT_EQ(header_of(again).left_out, 5);
}

// No byte of a text that a learner keeps is in a file without samples.
TEST(KeptSamples, AreNowhereInAFileWithoutThem) {
  const auto holds = [](const fs::path& path, const std::string& text) {
    const Bytes bytes = read_file(path);
    return std::string(bytes.begin(), bytes.end()).find(text) != std::string::npos;
  };
  const auto texts = lesson(kTexts, 0);
  auto session = keeping_session("idbr", {"learner.keep=1"});
  session.learn(texts);
  const fs::path with = place_of_file("texts"), without = place_of_file("no-texts");
  session.save(with);
  session.save(without, {.samples = false});
  const std::string text = texts->text(0).first;
  ASSERT_GT(text.size(), 8u);
  EXPECT_TRUE(holds(with, text));
  EXPECT_FALSE(holds(without, text));
}

// MbPA++ reads them when it predicts: a file without them would hold them all the same.
TEST(KeptSamples, AreNotLeftOutWhereTheyAreReadWhenAsked) {
  auto session = keeping_session("mbpa");
  session.learn(lesson(world_of("mbpa"), 0));
  const fs::path path = place_of_file("mbpa-without");
  EXPECT_TRUE(contains(error_of(ErrorKind::usage, [&] { session.save(path, {.samples = false}); }),
                       "its artefact cannot be without them"));
  EXPECT_FALSE(fs::exists(path));
  const fs::path recipe = scratch_folder("kept-recipe") / "mbpa.toml";
  std::ofstream(recipe) << "[data]\nname = \"clinc150\"\n[learner]\nname = \"mbpa\"\n"
                        << "[run]\nkeep_samples = false\n";
  EXPECT_TRUE(contains(error_of([&] { read_recipe(recipe, {}); }), "cannot be without them"));
}

TEST(KeptSamples, OfARunAreInItsArtefact) {
  for (const bool kept : {true, false}) {
    const fs::path folder = scratch_folder("kept-of-run") / (kept ? "kept" : "left-out");
    Recipe recipe = toy_recipe("er", 1, 6);
    recipe.run.keep_samples = kept;
    const auto network = kImages.network("er");
    run(recipe, kImages.data(8, 4), *network, folder);
    EXPECT_EQ(header_of(folder / "model.patina").kept, kept ? 6 : 0);
    auto session = opened("er", folder / "model.patina");
    const auto more = std::make_shared<ToySource>(1, 6, 5, 7);
    if (kept) {
      session.learn(more);
      EXPECT_EQ(session.classes().size(), size_t(ToyWorld::kClasses) + 1);
    } else {
      EXPECT_TRUE(contains(error_of([&] { session.learn(more); }), "without them"));
    }
  }
}

// The file with other values, and the checksum of them.
fs::path rewritten(const fs::path& path, const std::string& name,
                   const std::function<void(Json& values)>& change) {
  const auto file = SafetensorsFile::open(path);
  Json values = parse_json(file.metadata().at("patina.values"), "values");
  change(values);
  ContentHash hash;
  hash.add(values.dump());
  for (const auto& [name, tensor] : file.tensors()) {
    hash.add(name);
    hash.add(shape_text(tensor.shape));
    hash.add(tensor.data.data(), tensor.data.size());
  }
  const fs::path other = place_of_file(name);
  write_safetensors(other, file.tensors(),
                    {{"patina.values", values.dump()}, {"patina.checksum", hash.hex()}});
  return other;
}

// A file of the format without samples is read.
TEST(KeptSamples, AnOlderFileHasNone) {
  auto session = keeping_session("er", {"learner.memory=5"});
  session.learn(lesson(kImages, 0));
  const fs::path path = place_of_file("older");
  session.save(path, {.samples = false});
  const fs::path old = rewritten(path, "of-format-2", [](Json& values) {
    values["artefact.format"] = 2;
    values.erase("artefact.kept");
    values.erase("artefact.left_out");
  });
  auto again = opened("er", old);
  EXPECT_EQ(again.classes().size(), 2u);
  EXPECT_TRUE(contains(error_of(ErrorKind::usage, [&] { again.learn(lesson(kImages, 2)); }),
                       "without them"));
}

KeptSamples through_an_archive(KeptSamples& kept) {
  Archive archive;
  archive("samples", kept);
  Archive read = std::move(archive).reopened();
  KeptSamples again(kept.is_text(), kept.answer_kind(), kept.classes(), kept.has_images());
  read("samples", again);
  return again;
}

// Files of images keep their bytes, pixels become a PNG; both are the same pixels again.
TEST(KeptSamples, AreImagesAsTheyWereStored) {
  const fs::path folder = scratch_folder("kept-images");
  const Image pixels = ToySource(1, 1, 1).image(0);
  const Bytes jpeg = encode_jpeg(pixels, 60);
  std::ofstream(folder / "one.jpg", std::ios::binary)
      .write(reinterpret_cast<const char*>(jpeg.data()), std::streamsize(jpeg.size()));
  const auto file = image_files({folder / "one.jpg"}, {0}, {"cat"});
  KeptSamples of_file(*file, {{0, 0}});
  EXPECT_EQ(through_an_archive(of_file).encoded_image(0), jpeg);
  EXPECT_EQ(through_an_archive(of_file).image(0).pixels, file->image(0).pixels);
  EXPECT_EQ(of_file.bytes(), jpeg.size());
  const ToySource drawn(2, 3, 1);
  KeptSamples of_pixels(drawn, {{1, 0}, {4, 1}});
  const KeptSamples again = through_an_archive(of_pixels);
  EXPECT_EQ(again.image(0).pixels, drawn.image(1).pixels);
  EXPECT_EQ(again.image(1).pixels, drawn.image(4).pixels);
  EXPECT_EQ(again.at(4), 1);
  EXPECT_EQ(again.at(2), std::nullopt);
  EXPECT_EQ(again.label(1), 1);
}

class Conversations : public Source {
 public:
  int64_t size() const override { return 2; }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  AnswerKind answer_kind() const override { return AnswerKind::text; }
  Exchange exchange(int64_t i) const override {
    if (i == 0) return {.turns = {{"user", "a\xff"}}, .input = "", .answers = {"b", "", "c"}};
    return {.turns = {{"system", "s"}, {"user", "u"}, {"assistant", "v"}, {"user", "w"}},
            .input = std::string("in\0put", 6),
            .answers = {"x"}};
  }
  std::string origin(int64_t i) const override { return std::to_string(i); }
  const std::vector<std::string>& classes() const override {
    static const std::vector<std::string> one = {"answers"};
    return one;
  }
};

// Conversations about images.
class Illustrated : public Conversations {
 public:
  bool has_images() const override { return true; }
  Image image(int64_t i) const override { return ToySource(2, 1, 1).image(i); }
};

TEST(KeptSamples, KeepTheImagesOfTexts) {
  const Illustrated all;
  KeptSamples kept(all, {{0, 0}, {1, 0}});
  const KeptSamples again = through_an_archive(kept);
  EXPECT_TRUE(again.has_images());
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(again.image(i).pixels, all.image(i).pixels);
    EXPECT_EQ(again.exchange(i).answers, all.exchange(i).answers);
    EXPECT_EQ(again.exchange(i).input, all.exchange(i).input);
    EXPECT_EQ(again.text(i).first, all.exchange(i).turns.back().content);
  }
}

TEST(KeptSamples, AreConversationsWithAllTheirParts) {
  const Conversations all;
  KeptSamples kept(all, {{0, 0}, {1, 0}});
  const KeptSamples again = through_an_archive(kept);
  ASSERT_EQ(again.size(), 2);
  for (int64_t i = 0; i < 2; ++i) {
    const Exchange one = again.exchange(i), other = all.exchange(i);
    ASSERT_EQ(one.turns.size(), other.turns.size());
    for (size_t t = 0; t < one.turns.size(); ++t) {
      EXPECT_EQ(one.turns[t].role, other.turns[t].role);
      EXPECT_EQ(one.turns[t].content, other.turns[t].content);
    }
    EXPECT_EQ(one.input, other.input);
    EXPECT_EQ(one.answers, other.answers);
    EXPECT_EQ(again.fingerprint(i), all.fingerprint(i));
  }
}

// Every number that does not fit the others is refused, and nothing is read through it.
TEST(KeptSamples, ThatDoNotFitTogetherAreRefused) {
  using List = std::vector<int64_t>;
  struct Stored {
    List positions = {3, 5}, targets = {0, 0}, first = {0, 4, 8}, turns = {1, 1},
         lengths = {1, 1, 1, 1, 1, 1, 1, 1};
    std::string bytes = "abcdefgh";
  };
  const auto refusal = [](Stored stored) {
    Archive archive;
    archive("samples.positions", stored.positions);
    archive("samples.targets", stored.targets);
    archive("samples.first", stored.first);
    archive("samples.turns", stored.turns);
    archive("samples.bytes", stored.bytes);
    Tensor lengths = tensor_of(stored.lengths);
    archive("samples.lengths", lengths);
    Archive read = std::move(archive).reopened();
    KeptSamples kept(true, AnswerKind::text, {"answers"});
    return error_of([&] { read("samples", kept); });
  };
  EXPECT_EQ(refusal({}), "");
  const auto fits = [&](Stored stored) {
    return !contains(refusal(std::move(stored)), "kept samples");
  };
  EXPECT_FALSE(fits({.positions = {5, 3}}));
  EXPECT_FALSE(fits({.positions = {3, 3}}));
  EXPECT_FALSE(fits({.positions = {-1, 3}}));
  EXPECT_FALSE(fits({.positions = {3}}));
  EXPECT_FALSE(fits({.targets = {0, 1}}));
  EXPECT_FALSE(fits({.targets = {0, -1}}));
  EXPECT_FALSE(fits({.first = {0, 8}}));
  EXPECT_FALSE(fits({.first = {0, 9, 8}}));
  EXPECT_FALSE(fits({.first = {0, 3, 8}}));
  EXPECT_FALSE(fits({.first = {1, 4, 8}}));
  EXPECT_FALSE(fits({.turns = {2, 1}}));
  EXPECT_FALSE(fits({.turns = {0, 1}}));
  EXPECT_FALSE(fits({.turns = {int64_t{1} << 62, 1}}));
  EXPECT_FALSE(fits({.lengths = {1, 1, 1, 1, 1, 1, 1, 2}}));
  EXPECT_FALSE(fits({.lengths = {1, 1, 1, 1, 1, 1, 1, -1}}));
  EXPECT_FALSE(fits({.lengths = {1, 1, 1, 1, 1, 1, 1}}));
  EXPECT_FALSE(fits({.bytes = "abcdefghi"}));
}

// A learner whose memory knows a sample as one of another class than the file says.
TEST(KeptSamples, OfAnotherClassThanTheLearnersAreRefused) {
  auto session = keeping_session("er", {"learner.memory=5"});
  session.learn(lesson(kImages, 0));
  const fs::path path = place_of_file("mixed-up");
  session.save(path);
  const fs::path other = rewritten(path, "mixed-up-targets", [](Json& values) {
    for (auto& target : values["samples.targets"]) target = 1 - target.get<int>();
  });
  EXPECT_TRUE(contains(error_of(ErrorKind::state, [&] { opened("er", other); }), "of class"));
}

}  // namespace
}  // namespace patina

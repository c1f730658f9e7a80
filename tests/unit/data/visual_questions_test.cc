// Questions about images: archives of tar, easy-VQA, and one's own in JSON Lines.
#include "patina/data/formats/visual_questions.h"

#include <gtest/gtest.h>

#include "patina/data/catalog.h"
#include "patina/data/formats/tar.h"
#include "tests/support/data_files.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

using Strings = std::vector<std::string>;

// A header of tar's and the content behind it, filled up to whole blocks.
Bytes tar_entry(const std::string& name, const Bytes& content, char type = '0') {
  Bytes block(512);
  const auto put = [&](size_t at, const std::string& text) {
    std::ranges::copy(text, block.begin() + ptrdiff_t(at));
  };
  put(0, name);
  put(124, fmt::format("{:011o}", content.size()));
  block[156] = uint8_t(type);
  put(257, "ustar");
  std::fill_n(block.begin() + 148, 8, uint8_t(' '));
  uint64_t sum = 0;
  for (const uint8_t byte : block) sum += byte;
  put(148, fmt::format("{:06o}", sum));
  block[154] = 0;
  block.insert(block.end(), content.begin(), content.end());
  block.resize((block.size() + 511) / 512 * 512);
  return block;
}

Bytes bytes_of(const std::string& text) {
  return {text.begin(), text.end()};
}

Bytes tar_of(const std::vector<Bytes>& entries) {
  Bytes all;
  for (const auto& entry : entries) all.insert(all.end(), entry.begin(), entry.end());
  all.resize(all.size() + 1024);
  return all;
}

std::string text_at(const TarArchive& archive, const std::string& name) {
  const auto bytes = archive.files().at(name);
  return {bytes.begin(), bytes.end()};
}

TEST(TarArchive, HasItsFilesByName) {
  const std::string longest(150, 'n');
  const auto archive = TarArchive::parse(
      tar_of({tar_entry("train/", {}, '5'), tar_entry("./train/0.txt", bytes_of("null")),
              tar_entry("train/1.txt", bytes_of(std::string(600, 'x'))),
              tar_entry("././@LongLink", bytes_of(longest), 'L'),
              tar_entry("nnn", bytes_of("long"))}),
      "a.tar");
  EXPECT_EQ(archive.files().size(), 3u);
  EXPECT_EQ(text_at(archive, "train/0.txt"), "null");
  EXPECT_EQ(text_at(archive, "train/1.txt"), std::string(600, 'x'));
  EXPECT_EQ(text_at(archive, longest), "long");
}

TEST(TarArchive, SaysWhatIsWrong) {
  const auto refused = [](Bytes bytes) {
    return error_of(ErrorKind::format, [&] { TarArchive::parse(std::move(bytes), "a.tar"); });
  };
  const Bytes file = tar_entry("a", bytes_of("text"));
  EXPECT_EQ(refused(tar_of({tar_entry("../a", bytes_of("x"))})),
            "a.tar: the name \"../a\" leaves the archive");
  EXPECT_EQ(refused(tar_of({tar_entry("a/../../b", bytes_of("x"))})),
            "a.tar: the name \"a/../../b\" leaves the archive");
  EXPECT_EQ(refused(tar_of({tar_entry("/etc/passwd", bytes_of("x"))})),
            "a.tar: the name \"/etc/passwd\" leaves the archive");
  EXPECT_EQ(refused(tar_of({file, tar_entry("./a", bytes_of("x"))})), "a.tar: a is there twice");
  EXPECT_EQ(refused(tar_of({tar_entry("a", {}, '2')})),
            "a.tar: a is a link or a device; only files are read");
  EXPECT_TRUE(contains(refused(tar_of({tar_entry("h", bytes_of("12 path=b\n"), 'x'), file})),
                       "in a header of pax"));
  EXPECT_EQ(refused(Bytes(file.begin(), file.begin() + 512)),
            "a.tar: truncated: the file at byte 0 goes beyond the archive's end");
  EXPECT_EQ(refused(tar_of({})), "a.tar: no files in it");
  Bytes cut = tar_of({file});
  cut.resize(1024 + 7);
  EXPECT_EQ(refused(cut), "a.tar: truncated: the archive has no end");
  Bytes damaged = tar_of({file});
  damaged[3] ^= 1;
  EXPECT_EQ(refused(damaged),
            "a.tar: not a tar archive, or damaged: the header at byte 0 is wrong");
}

// Two images and some questions about them.
class EasyVqa : public testing::Test {
 protected:
  EasyVqa() : folder_(scratch_folder("easy_vqa")) {
    write_split("train",
                R"([["what is the red shape?", "circle", 0], ["what color is the shape?", "red", 0],
                    ["is there a circle?", "yes", 0], ["is there not a blue shape?", "no", 7],
                    ["what shape is present?", "circle", 7], ["is there a red shape?", "no", 12]])");
    write_split("test",
                R"([["is a circle present?", "yes", 7], ["is no red shape present?", "no", 0],
                            ["what color is the shape?", "red", 0],
                            ["what is the red shape?", "circle", 0],
                            ["is there a circle?", "yes", 0]])");
  }
  void write_split(const std::string& split, const std::string& questions) {
    const auto image = [&](int number, uint8_t mark) {
      return tar_entry(fmt::format("{}/images/{}.png", split, number), encode_png(marked(mark)));
    };
    write_gzip(folder_ / (split + ".images.tar.gz"),
               tar_of({image(0, 10), image(12, 22), image(7, 17)}));
    write_text(folder_ / (split + ".questions.json"), questions);
  }
  DataSplits open(const std::string& name, bool verbalized = false) {
    DataOptions options{.name = name, .path = folder_.string()};
    options.verbalized = verbalized;
    return open_data(options);
  }

  fs::path folder_;
};

TEST_F(EasyVqa, HasAnImageAQuestionAndAnAnswer) {
  const auto data = open("easy_vqa");
  const Source& train = *data.train;
  ASSERT_EQ(train.size(), 6);
  EXPECT_TRUE(train.is_text());
  EXPECT_TRUE(train.has_images());
  EXPECT_EQ(train.classes(), (Strings{"circle", "no", "red", "yes"}));
  EXPECT_EQ(train.text(3).first, "is there not a blue shape?");
  EXPECT_EQ(train.label(3), 1);
  EXPECT_EQ(train.image(0).pixels[0], 10);
  EXPECT_EQ(train.image(3).pixels[0], 17);
  EXPECT_EQ(train.image(5).pixels[0], 22);
  EXPECT_EQ(train.domains(), (Strings{"shape", "color", "is there a shape", "is there a color"}));
  const Strings kinds = {"shape", "color",           "is there a shape", "is there a color",
                         "shape", "is there a color"};
  for (int64_t i = 0; i < train.size(); ++i)
    EXPECT_EQ(train.domains()[size_t(train.domain(i))], kinds[size_t(i)]) << i;
  // The same question about another image is another sample.
  EXPECT_NE(train.fingerprint(4), train.fingerprint(0));
}

TEST_F(EasyVqa, AnswersMayBeTexts) {
  const auto data = open("easy_vqa", /*verbalized=*/true);
  EXPECT_EQ(data.train->answer_kind(), AnswerKind::text);
  const Exchange exchange = data.train->exchange(1);
  EXPECT_EQ(exchange.turns.back().content, "what color is the shape?");
  EXPECT_EQ(exchange.answers, (Strings{"red"}));
  EXPECT_TRUE(data.train->has_images());
  EXPECT_EQ(data.train->image(1).pixels[0], 10);
  EXPECT_EQ(data.train->domains().size(), 4u);
}

// An image's color is told by any of its questions; image 12 is not red, and no more is known.
TEST_F(EasyVqa, ColorsAreDomains) {
  const auto data = open("easy_vqa_colors");
  ASSERT_EQ(data.train->size(), 5);
  EXPECT_EQ(data.train->domains(), (Strings{"red", "blue"}));
  const std::vector<int64_t> domains = {0, 0, 0, 1, 1};
  for (int64_t i = 0; i < 5; ++i) EXPECT_EQ(data.train->domain(i), domains[size_t(i)]) << i;
  EXPECT_EQ(data.test->size(), 4);
}

TEST_F(EasyVqa, SaysWhatIsWrong) {
  write_split("train", R"([["what?", "red", 3]])");
  EXPECT_TRUE(
      contains(error_of([&] { open("easy_vqa"); }),
               "train.questions.json[0]: there is no image 3.png in the archive beside it"));
  write_split("train", R"([["what?", "red"]])");
  EXPECT_TRUE(contains(error_of([&] { open("easy_vqa"); }),
                       "[0]: a question is [question, answer, number of its image]"));
  write_split("train", R"({"a": 1})");
  EXPECT_TRUE(contains(error_of([&] { open("easy_vqa"); }), "a list of questions is expected"));
  fs::remove(folder_ / "train.images.tar.gz");
  EXPECT_TRUE(contains(error_of([&] { open("easy_vqa"); }), "train.images.tar: missing"));
}

TEST(EasyVqaPublished, HasAllItsQuestions) {
  PATINA_NEED_SHARED(folder, "data/easy_vqa");
  const auto kinds = open_data({.name = "easy_vqa", .path = folder.string()});
  EXPECT_EQ(kinds.train->size(), 38575);
  EXPECT_EQ(kinds.test->size(), 9673);
  EXPECT_EQ(kinds.train->classes().size(), 13u);
  EXPECT_EQ(kinds.train->image(0).width, 64);
  EXPECT_EQ(kinds.train->text(0).first, "what is the blue shape?");
  EXPECT_EQ(kinds.train->classes()[size_t(kinds.train->label(0))], "rectangle");
  const auto colors = open_data({.name = "easy_vqa_colors", .path = folder.string()});
  EXPECT_EQ(colors.train->size(), 36414);
  EXPECT_EQ(colors.test->size(), 9073);
  EXPECT_EQ(colors.train->domains().size(), 8u);
}

class OwnQuestions : public testing::Test {
 protected:
  OwnQuestions() : folder_(scratch_folder("own_questions")) {
    write(folder_ / "pictures/a.png", encode_png(marked(1)));
    write(folder_ / "pictures/b.png", encode_png(marked(2)));
    write_lines("train", {"pictures/a.png", "pictures/b.png", "pictures/a.png"});
    write_lines("test", {"pictures/b.png"});
  }
  void write_lines(const std::string& split, const Strings& images) {
    std::string text;
    for (size_t i = 0; i < images.size(); ++i)
      text += fmt::format(
          R"({{"image": "{}", "question": "what {}?", "answer": "it {}", "domain": "d{}"}})"
          "\n",
          images[i], i, i % 2, i % 2);
    write_text(folder_ / (split + ".jsonl"), text);
  }
  DataSplits open(bool verbalized) {
    DataOptions options{.name = "visual_questions", .path = folder_.string()};
    options.verbalized = verbalized;
    return open_data(options);
  }
  std::string error() {
    return error_of([&] { open(true); });
  }

  fs::path folder_;
};

TEST_F(OwnQuestions, AreClassesOrTexts) {
  const auto written = open(/*verbalized=*/true);
  EXPECT_EQ(written.train->answer_kind(), AnswerKind::text);
  EXPECT_EQ(written.train->exchange(1).answers, (Strings{"it 1"}));
  EXPECT_EQ(written.train->image(1).pixels[0], 2);
  EXPECT_EQ(written.train->domains(), (Strings{"d0", "d1"}));
  EXPECT_EQ(written.train->domain(1), 1);
  EXPECT_NE(written.train->fingerprint(0), written.train->fingerprint(2));
  write_lines("test", {"pictures/b.png", "pictures/a.png"});
  const auto labelled = open(/*verbalized=*/false);
  EXPECT_EQ(labelled.train->answer_kind(), AnswerKind::label);
  EXPECT_EQ(labelled.train->classes(), (Strings{"it 0", "it 1"}));
  EXPECT_EQ(labelled.test->label(1), 1);
}

TEST_F(OwnQuestions, SayWhatIsWrong) {
  write_lines("train", {"pictures/a.png", "../a.png"});
  EXPECT_TRUE(contains(error(), "train.jsonl:2: the image \"../a.png\" is not below the folder"));
  write_lines("train", {"/a.png"});
  EXPECT_TRUE(contains(error(), "train.jsonl:1: the image \"/a.png\" is not below the folder"));
  write_lines("train", {"pictures/a.png", "pictures/c.png"});
  EXPECT_TRUE(contains(error(), "train.jsonl:2: there is no image"));
  write_text(folder_ / "train.jsonl", R"({"image": "pictures/a.png", "question": "what?"})");
  EXPECT_TRUE(contains(error(), "train.jsonl:1: a record is an object"));
  EXPECT_TRUE(contains(error(), "this one has no text \"answer\""));
  write_text(folder_ / "train.jsonl", "\n");
  EXPECT_TRUE(contains(error(), "no questions in it"));
}

}  // namespace
}  // namespace patina

// Reading recipes: values, overrides, and every mistake word for word.
#include "patina/config/recipe_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "patina/base/error.h"
#include "patina/config/override.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

struct Schedule {
  std::string name = "cosine";
  int64_t warmup = 0;
  void bind(Fields& f) {
    f("name", name, "Shape.", {"cosine", "step", "constant"});
    f("warmup", warmup, "Epochs.", at_least(0));
  }
};

struct TrainerOptions {
  double lr = 0.01;
  double low = 0, high = 1;
  int64_t epochs = 20;
  bool shuffle = true;
  Schedule schedule;
  void bind(Fields& f) {
    f("lr", lr, "Learning rate.", above(0));
    f("low", low, "Lower bound.");
    f("high", high, "Upper bound.");
    f("epochs", epochs, "Passes.", at_least(1));
    f("shuffle", shuffle, "New order each epoch.");
    f.section("schedule", schedule, "Learning rate over time.");
    f.require(low <= high, "low", "must not exceed high");
  }
};

struct DataOptions {
  std::vector<double> scale = {0.5, 1};
  std::vector<int64_t> sizes = {224};
  std::vector<std::string> folders;
  void bind(Fields& f) {
    f("scale", scale, "Crop scale.", between(0, 1));
    f("sizes", sizes, "Sizes.", at_least(1));
    f("folders", folders, "Folders.");
  }
};

// Reads its name, then decides which fields the same table has.
struct LearnerOptions {
  std::string name = "replay";
  double alpha = 0.5;
  int64_t projection = 10000;
  void bind(Fields& f) {
    f("name", name, "Method.", {"replay", "ranpac"});
    if (name == "replay") f("alpha", alpha, "Weight of replay.", between(0, 1));
    if (name == "ranpac") f("projection", projection, "Random features.", at_least(1));
  }
};

struct Options {
  int64_t seed = 1993;
  TrainerOptions trainer;
  DataOptions data;
  LearnerOptions learner;
  void bind(Fields& f) {
    f("seed", seed, "Seed.", at_least(0));
    f.section("trainer", trainer, "Training.");
    f.section("data", data, "Data.");
    f.section("learner", learner, "Method.");
  }
};

Options read(std::string_view text, const std::vector<std::string>& overrides = {}) {
  RecipeFile file = RecipeFile::parse(text, "bad.toml", overrides);
  Options options;
  file.bind(options);
  file.finish();
  return options;
}

// The kind and text of what reading `text` throws.
std::string mistakes(std::string_view text, const std::vector<std::string>& overrides = {},
                     ErrorKind kind = ErrorKind::recipe) {
  try {
    read(text, overrides);
  } catch (const Error& error) {
    EXPECT_EQ(name(error.kind()), name(kind));
    return error.what();
  }
  return "no mistake";
}

TEST(RecipeFile, FillsWhatIsThereAndKeepsTheRest) {
  const Options options = read(
      "seed = 7\n"
      "[trainer]\nlr = 1\nepochs = 1e1\nshuffle = false\nschedule.name = 'step'\n"
      "[data]\nscale = [0, 0.25]\nsizes = [32, 64.0]\nfolders = ['a', \"b\\n\"]\n");
  EXPECT_EQ(options.seed, 7);
  EXPECT_EQ(options.trainer.lr, 1.0);
  EXPECT_EQ(options.trainer.epochs, 10);
  EXPECT_FALSE(options.trainer.shuffle);
  EXPECT_EQ(options.trainer.schedule.name, "step");
  EXPECT_EQ(options.trainer.schedule.warmup, 0);
  EXPECT_EQ(options.data.scale, (std::vector<double>{0, 0.25}));
  EXPECT_EQ(options.data.sizes, (std::vector<int64_t>{32, 64}));
  EXPECT_EQ(options.data.folders, (std::vector<std::string>{"a", "b\n"}));
  EXPECT_EQ(options.learner.name, "replay");
}

TEST(RecipeFile, AnEmptyDocumentIsFine) {
  EXPECT_EQ(read("").seed, 1993);
}

TEST(RecipeFile, UnknownKeys) {
  EXPECT_EQ(mistakes("\n\n[learner]\nalpah = 1\n"),
            "bad.toml:4: learner.alpah: unknown key, did you mean \"alpha\"?");
  EXPECT_EQ(mistakes("zzzzzz = 1"), "bad.toml:1: zzzzzz: unknown key");
  EXPECT_EQ(mistakes("[data]\nlr = 1"),
            "bad.toml:2: data.lr: unknown key here, it belongs to [trainer]");
  EXPECT_EQ(mistakes("[data]\nseed = 1"),
            "bad.toml:2: data.seed: unknown key here, it belongs to the top level");
  EXPECT_EQ(mistakes("[data]\nname = 1"),
            "bad.toml:2: data.name: unknown key here, it belongs to [learner] or "
            "[trainer.schedule]");
  EXPECT_EQ(mistakes("[data]\n\"a b\\u001b\" = 1"), "bad.toml:2: data.\"a b\\u001B\": unknown key");
  EXPECT_EQ(mistakes(std::string(500, 'k') + " = 1"),
            "bad.toml:1: " + std::string(120, 'k') + "...: unknown key");
}

TEST(RecipeFile, AnUnknownSectionIsReportedOnce) {
  EXPECT_EQ(mistakes("[trainr]\nlr = 1\nepochs = 2\n[trainr.deep]\nx = 1"),
            "bad.toml:1: trainr: unknown section, did you mean \"trainer\"?");
  EXPECT_EQ(mistakes("[[zzzzzz]]\nx = 1\n[[zzzzzz]]\n"), "bad.toml:1: zzzzzz: unknown key");
}

TEST(RecipeFile, WrongTypes) {
  EXPECT_EQ(mistakes("[trainer]\nlr = 'fast'"),
            "bad.toml:2: trainer.lr: expected a number, found a string");
  EXPECT_EQ(mistakes("[trainer]\nlr = nan"),
            "bad.toml:2: trainer.lr: expected a number, found nan");
  EXPECT_EQ(mistakes("[trainer]\nepochs = 2.5"),
            "bad.toml:2: trainer.epochs: expected a whole number, found 2.5");
  EXPECT_EQ(mistakes("[trainer]\nepochs = 1e300"),
            "bad.toml:2: trainer.epochs: expected a whole number, found 1e+300");
  EXPECT_EQ(mistakes("[trainer]\nepochs = nan"),
            "bad.toml:2: trainer.epochs: expected a whole number, found nan");
  EXPECT_EQ(mistakes("[trainer]\nepochs = true"),
            "bad.toml:2: trainer.epochs: expected a whole number, found a boolean");
  EXPECT_EQ(mistakes("[trainer]\nshuffle = 1"),
            "bad.toml:2: trainer.shuffle: expected true or false, found a number");
  EXPECT_EQ(mistakes("[learner]\nname = 2020-01-01"),
            "bad.toml:2: learner.name: expected a string, found a date or time");
  EXPECT_EQ(mistakes("[data]\nscale = 1"),
            "bad.toml:2: data.scale: expected a list of numbers, found a number");
  EXPECT_EQ(mistakes("[data]\nfolders = 'a'"),
            "bad.toml:2: data.folders: expected a list of strings, found a string");
  EXPECT_EQ(mistakes("[data]\nscale = [0.1,\n 'x',\n 2]"),
            "bad.toml:3: data.scale[1]: expected a number, found a string\n"
            "bad.toml:4: data.scale[2]: must be in [0, 1], is 2");
  EXPECT_EQ(mistakes("trainer = 3"), "bad.toml:1: trainer: expected a section, found a number");
  EXPECT_EQ(mistakes("[[trainer]]\n"), "bad.toml:1: trainer: expected a section, found a list");
  EXPECT_EQ(mistakes("[seed]\nx = 1"),
            "bad.toml:1: seed: expected a whole number, found a section");
}

TEST(RecipeFile, AnOverridesTextNeedsNoQuotes) {
  for (const std::string text : {"2024", "1e3", "true", "2020-01-01", "-0x1f"})
    EXPECT_EQ(mistakes("", {"learner.name=" + text}),
              "--set learner.name=" + text +
                  ": learner.name: must be one of \"replay\", "
                  "\"ranpac\", is \"" +
                  text + "\"");
  struct Place {
    std::string path;
    void bind(Fields& f) { f("path", path, "Where."); }
  } place;
  RecipeFile file = RecipeFile::parse("", "place.toml", {"path= 2024 "});
  file.bind(place);
  file.finish();
  EXPECT_EQ(place.path, "2024");
}

TEST(RecipeFile, Ranges) {
  EXPECT_EQ(mistakes("[trainer]\nlr = -1"), "bad.toml:2: trainer.lr: must be > 0, is -1");
  EXPECT_EQ(mistakes("[trainer]\nlr = 0"), "bad.toml:2: trainer.lr: must be > 0, is 0");
  EXPECT_EQ(mistakes("[trainer]\nlr = 1e39"),
            "bad.toml:2: trainer.lr: must be at most 3.4e+38, is 1e+39");
  EXPECT_EQ(mistakes("[trainer]\nepochs = 0"), "bad.toml:2: trainer.epochs: must be >= 1, is 0");
  EXPECT_EQ(mistakes("[learner]\nalpha = 1.5"),
            "bad.toml:2: learner.alpha: must be in [0, 1], is 1.5");
  EXPECT_EQ(Range{}.text(), "");
  EXPECT_EQ((Range{.high = 2, .high_open = true}.text()), "< 2");
  EXPECT_EQ((Range{.high = 2}.text()), "<= 2");
  EXPECT_EQ((Range{.low = 0, .high = 1, .low_open = true, .high_open = true}.text()), "in (0, 1)");
  EXPECT_FALSE(Range{}.holds(std::nan("")));
  EXPECT_TRUE(between(0, 1).holds(1));
  EXPECT_FALSE(above(0).holds(0));
}

TEST(RecipeFile, Choices) {
  EXPECT_EQ(
      mistakes("[learner]\nname = 'ranpack'"),
      "bad.toml:2: learner.name: must be one of \"replay\", \"ranpac\", is \"ranpack\", did you "
      "mean \"ranpac\"?");
  EXPECT_EQ(
      mistakes("trainer.schedule.name = \"q\\n\""),
      "bad.toml:1: trainer.schedule.name: must be one of \"cosine\", \"step\", \"constant\", is "
      "\"q\\n\"");
}

TEST(RecipeFile, Requirements) {
  EXPECT_EQ(mistakes("[trainer]\nhigh = 0\nlow = 1"),
            "bad.toml:3: trainer.low: must not exceed high");
  // The key itself is absent: its section's place.
  EXPECT_EQ(mistakes("\n[trainer]\nhigh = -1"), "bad.toml:2: trainer.low: must not exceed high");
  // A value that could not be read is not judged a second time.
  EXPECT_EQ(mistakes("[trainer]\nhigh = -1\nlow = 'x'"),
            "bad.toml:3: trainer.low: expected a number, found a string");
  RecipeFile file = RecipeFile::parse("", "bad.toml");
  file.fields().require(false, "seed", "must be chosen");
  EXPECT_THROW(
      {
        try {
          file.finish();
        } catch (const Error& error) {
          EXPECT_STREQ(error.what(), "bad.toml: seed: must be chosen");
          throw;
        }
      },
      Error);
}

TEST(RecipeFile, AllMistakesAtOnceInFileOrderThenOverrides) {
  EXPECT_EQ(mistakes("sead = 1\n"
                     "[learner]\nalpah = 1\nname = 'none'\n"
                     "[trainer]\nlr = -1\nzzzzzz = {a = 1, b = 2}\n"
                     "schedule.warmup = 'x'\n",
                     {"trainer.epochs=0", "data.scle=[1]"}),
            "bad.toml:1: sead: unknown key, did you mean \"seed\"?\n"
            "bad.toml:3: learner.alpah: unknown key, did you mean \"alpha\"?\n"
            "bad.toml:4: learner.name: must be one of \"replay\", \"ranpac\", is \"none\"\n"
            "bad.toml:6: trainer.lr: must be > 0, is -1\n"
            "bad.toml:7: trainer.zzzzzz: unknown section\n"
            "bad.toml:8: trainer.schedule.warmup: expected a whole number, found a string\n"
            "--set trainer.epochs=0: trainer.epochs: must be >= 1, is 0\n"
            "--set data.scle=[1]: data.scle: unknown key, did you mean \"scale\"?");
  // Two on one line, by column.
  EXPECT_EQ(mistakes("trainer = {lr = 0, epochs = 0}"),
            "bad.toml:1: trainer.lr: must be > 0, is 0\n"
            "bad.toml:1: trainer.epochs: must be >= 1, is 0");
}

TEST(RecipeFile, ManyMistakesAreCounted) {
  std::string text;
  for (int i = 0; i < 150; ++i) text += "zzzz" + std::to_string(i) + " = 1\n";
  const std::string all = mistakes(text);
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 100);
  EXPECT_TRUE(all.ends_with("\nand 50 more")) << all;
}

TEST(RecipeFile, PolymorphicSections) {
  const Options options = read("[learner]\nprojection = 5\nname = 'ranpac'");
  EXPECT_EQ(options.learner.projection, 5);
  EXPECT_EQ(mistakes("[learner]\nname = 'ranpac'\nalpha = 1"),
            "bad.toml:3: learner.alpha: unknown key");
}

TEST(RecipeFile, SeveralStructsAndRepeatedSections) {
  struct Name {
    std::string name = "replay";
    void bind(Fields& f) { f("name", name, "Method."); }
  };
  struct Outer {
    Name name;
    LearnerOptions learner;
    void bind(Fields& f) {
      f.section("learner", name, "Its name.");
      f.section("learner", learner, "Its options.");
    }
  };
  struct Seed {
    int64_t seed = 0;
    void bind(Fields& f) { f("seed", seed, "Seed.", at_least(0)); }
  };
  Outer outer;
  Seed first, second;
  RecipeFile file = RecipeFile::parse("seed = 4\n[learner]\nname = 'ranpac'\nprojection = 3", "a");
  file.bind(first);
  file.bind(outer);
  file.bind(second);
  file.finish();
  EXPECT_EQ(first.seed, 4);
  EXPECT_EQ(second.seed, 4);
  EXPECT_EQ(outer.name.name, "ranpac");
  EXPECT_EQ(outer.learner.projection, 3);

  RecipeFile bad = RecipeFile::parse("seed = -4", "a");
  bad.bind(first);
  bad.bind(second);
  try {
    bad.finish();
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "a:1: seed: must be >= 0, is -4");
  }
}

TEST(RecipeFile, Overrides) {
  const Options options = read("seed = 1\n[trainer]\nlr = 5\n",
                               {"trainer.lr=0.5", "learner.name=ranpac", "data.scale=[0.1,1]",
                                "data.folders=['a=b']", "trainer.schedule={name='step', warmup=3}",
                                "trainer.schedule.warmup=4", "seed = 6 ", "trainer.lr=0.25"});
  EXPECT_EQ(options.trainer.lr, 0.25);
  EXPECT_EQ(options.seed, 6);
  EXPECT_EQ(options.learner.name, "ranpac");
  EXPECT_EQ(options.data.scale, (std::vector<double>{0.1, 1}));
  EXPECT_EQ(options.data.folders, (std::vector<std::string>{"a=b"}));
  EXPECT_EQ(options.trainer.schedule.name, "step");
  EXPECT_EQ(options.trainer.schedule.warmup, 4);
}

TEST(RecipeFile, BadOverrides) {
  const auto usage = [](const char* setting) {
    return mistakes("a = 1", {setting}, ErrorKind::usage);
  };
  EXPECT_EQ(usage("trainer.lr"), "--set trainer.lr: expected key=value");
  EXPECT_EQ(usage("=1"),
            "--set =1: \"\" is not a key; write section.key=value, with letters, digits, _ and -");
  EXPECT_EQ(usage("a..b=1"),
            "--set a..b=1: \"a..b\" is not a key; write section.key=value, with letters, digits, _ "
            "and -");
  EXPECT_EQ(usage("a.b=1"), "--set a.b=1: a is not a section in bad.toml");
  EXPECT_EQ(usage("a=\xff"), "--set a=\xff: the value is not valid UTF-8");
  EXPECT_EQ(usage("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1"),
            "--set a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1: a key of too many parts");
  EXPECT_EQ(mistakes("", {"learner.alpah=1"}),
            "--set learner.alpah=1: learner.alpah: unknown key, did you mean \"alpha\"?");
  // A value that would begin another line is a string, not a second key.
  EXPECT_EQ(mistakes("", {"seed=1\ntrainer.lr=2"}),
            "--set seed=1\ntrainer.lr=2: seed: expected a whole number, found a string");
}

TEST(RecipeFile, NotToml) {
  EXPECT_TRUE(mistakes("a = 1\nb = \n").starts_with("bad.toml:2:5: not valid TOML: "))
      << mistakes("a = 1\nb = \n");
  const std::string twice = mistakes("[trainer]\nlr = 1\nlr = 2\n");
  EXPECT_TRUE(twice.starts_with("bad.toml:3:")) << twice;
  EXPECT_NE(twice.find("cannot redefine existing integer 'lr'"), std::string::npos) << twice;
  EXPECT_EQ(mistakes(std::string(1 << 20, '#') + "#"),
            "bad.toml: 1048577 bytes, more than the limit of 1048576");
}

// toml++ asserts on these; a recipe must not end the program.
TEST(RecipeFile, BracketsThatHoldNoName) {
  for (const char* line : {"[*]", "[", "[[=]]", "[ # x", "[\n]", "a = [}", "a = [1, {}, }"})
    EXPECT_TRUE(mistakes("seed = 1\n\n" + std::string(line) + "\n[trainer]\nlr = 1\n")
                    .starts_with("bad.toml:3"))
        << line << ": " << mistakes("seed = 1\n\n" + std::string(line) + "\n[trainer]\nlr = 1\n");
  EXPECT_EQ(mistakes("seed = 1\n[*]"), "bad.toml:2: not valid TOML: unexpected character");
  EXPECT_EQ(mistakes("", {"seed=[}"}),
            "--set seed=[}: seed: expected a whole number, found a string");
}

// toml++ asks whether they are spaces, and then says that nobody ever asks.
TEST(RecipeFile, LettersThatAreNoSpaces) {
  for (const char* letter : {"é", "あ", "\xef\xb9\xbf", "\xef\xba\xbf"}) {
    EXPECT_EQ(mistakes(fmt::format("seed = 1\nname = \"\"\"\\{}\"\"\"\n", letter)),
              "bad.toml:2: not valid TOML: a backslash before a character outside ASCII");
    // After the spaces that a backslash at the end of a line skips.
    EXPECT_EQ(mistakes(fmt::format("seed = 1\nname = \"\"\"two \\\n {}\"\"\"\n", letter)),
              "bad.toml:2: name: unknown key here, it belongs to [learner] or [trainer.schedule]");
  }
}

TEST(RecipeFile, CharactersOutsideAsciiStandInStringsAndComments) {
  EXPECT_EQ(mistakes("seed = 1 # é\nläufe = 1"),
            "bad.toml:2: not valid TOML: characters outside ASCII need quotes around them");
  EXPECT_EQ(
      read("\xef\xbb\xbfseed = 1 # 漢\n[data]\nfolders = ['é', \"\"\"ü\n\"\"\"]").data.folders,
      (std::vector<std::string>{"é", "ü\n"}));
  EXPECT_EQ(read("", {"data.folders=['é']"}).data.folders, std::vector<std::string>{"é"});
  EXPECT_EQ(mistakes("", {"learner.name=é"}),
            "--set learner.name=é: learner.name: must be one of \"replay\", \"ranpac\", is \"é\"");
}

TEST(RecipeFile, QuotesStandWhereAKeyOrAValueBegins) {
  for (const char* text :
       {"seed = 2)\"é\"", "seed = 2=\"é\"", "seed = 2)[\"é\"]", "seed = 2.\"é\"",
        "seed = 2{'é' = 1}", "seed\"é\" = 1", "seed = \"a\"\"é\"", "seed = 2=[=\"é\""})
    EXPECT_EQ(mistakes(text), "bad.toml:1: not valid TOML: unexpected quote") << text;
  EXPECT_EQ(
      read("[ \"data\" ]\n\t'folders' =[ # é\n'é',\"b\"\n, 'c']\n[learner]\r\n\"name\"='ranpac'\n")
          .data.folders,
      (std::vector<std::string>{"é", "b", "c"}));
  EXPECT_EQ(read("trainer = {\"schedule\".\"name\" = 'step', schedule.\"warmup\" = 1}")
                .trainer.schedule.warmup,
            1);
}

TEST(RecipeFile, ABackslashEscapesAsciiOnly) {
  for (const char* text : {"\"\"\"\n\\é\"\"\"", "\n\"\\é\""})
    EXPECT_EQ(mistakes("[data]\nfolders = [" + std::string(text) + "]"),
              "bad.toml:3: not valid TOML: a backslash before a character outside ASCII");
  EXPECT_EQ(read("[data]\nfolders = ['\\é', \"\\\\é\"]").data.folders,
            (std::vector<std::string>{"\\é", "\\é"}));
}

TEST(RecipeFile, DeepKeysAreRefusedBeforeTheyExhaustTheStack) {
  std::string deep = "x = 1\n";
  for (int i = 0; i < 200'000; ++i) deep += "a.";
  EXPECT_EQ(mistakes(deep + "a = 1"), "bad.toml:2: not valid TOML: a key of too many parts");
  EXPECT_EQ(mistakes("[" + deep.substr(6) + "a]"),
            "bad.toml:1: not valid TOML: a key of too many parts");
  EXPECT_EQ(mistakes("seed = 1 # ....................\n[learner]\nname = 'replay' # ..........\n"),
            "no mistake");
  EXPECT_EQ(read("[data]\nfolders = ['....................', "
                 "\"\"\"\n\\\"......\"....................\"\"\"]")
                .data.folders.size(),
            2u);
  // Quotes that end a long string do not hide what follows on the line.
  EXPECT_EQ(mistakes("x = [\"\"\"q\"\"\"\", {" + deep.substr(6) + "a = 1}, \"\"]"),
            "bad.toml:1: not valid TOML: a key of too many parts");
}

TEST(RecipeFile, Files) {
  const auto folder = scratch_folder("recipe_file");
  std::ofstream(folder / "good.toml") << "seed = 12\n";
  RecipeFile file = RecipeFile::read(folder / "good.toml", {"trainer.epochs=3"});
  Options options;
  file.bind(options);
  file.finish();
  EXPECT_EQ(options.seed, 12);
  EXPECT_EQ(options.trainer.epochs, 3);
  try {
    RecipeFile::read(folder / "absent.toml", {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::recipe);
    EXPECT_NE(std::string(error.what()).find("absent.toml: cannot open"), std::string::npos);
  }
}

TEST(Override, IsSplitIntoSectionKeyAndTomlValue) {
  const auto split = [](const std::string& text) {
    const Override setting = split_override(text);
    return fmt::format("{}|{}|{}", setting.section, setting.key, setting.value);
  };
  EXPECT_EQ(split("training.lr = 0.1"), "training|lr|0.1");
  EXPECT_EQ(split("seed=3"), "|seed|3");
  EXPECT_EQ(split("learner.name=ranpac"), "learner|name|\"ranpac\"");
  EXPECT_EQ(split("a.b.c=[1, 2]"), "a.b|c|[1, 2]");
  EXPECT_EQ(split("a.b=1\nc = 2"), "a|b|\"1\\nc = 2\"") << "not two keys";
  EXPECT_EQ(error_of([] { split_override("training.lr"); }),
            "--set training.lr: expected key=value");
}

}  // namespace
}  // namespace patina

// Printed options: TOML reads back to the same bits, references are what the pages show.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "patina/base/random.h"
#include "patina/config/recipe_file.h"

namespace patina {
namespace {

struct Inner {
  double real = 0.5;
  std::string text = "x";
  void bind(Fields& f) {
    f("real", real, "A real.");
    f("text", text, "A text.");
  }
};

struct Middle {
  Inner inner;
  bool flag = false;
  void bind(Fields& f) {
    f.section("inner", inner, "Innermost.");
    f("flag", flag, "A flag bound after a section.");
  }
};

struct Everything {
  int64_t whole = 0;
  double real = 0;
  std::string text;
  std::vector<int64_t> wholes;
  std::vector<double> reals;
  std::vector<std::string> texts;
  Middle middle;
  bool flag = true;
  void bind(Fields& f) {
    f("whole", whole, "A whole number.");
    f.section("middle", middle, "A section.");
    f("real", real, "A real.");
    f("odd key", text, "A key that needs quotes.");
    f("wholes", wholes, "Whole numbers.");
    f("reals", reals, "Reals.");
    f("texts", texts, "Texts.");
    f("flag", flag, "A flag.");
  }
};

double any_double(Random& random) {
  while (true) {
    const double value = std::bit_cast<double>(uint64_t{random.bits()} << 32 | random.bits());
    if (!std::isnan(value)) return value;
  }
}

std::string any_text(Random& random) {
  static const std::vector<std::string> pieces = {
      "\"", "\\", "\n", "\r\n", "\t", "\x01", "\x7f", "é",  "漢",     "#",
      "=",  "]",  " ",  "'''",  "a",  "0",    "😀",    "\b", "\"\"\"", std::string(1, 0)};
  std::string text;
  for (uint64_t left = random.below(12); left > 0; --left)
    text += pieces[random.below(pieces.size())];
  return text;
}

Everything any_options(Random& random) {
  Everything options;
  options.whole = int64_t(uint64_t{random.bits()} << 32 | random.bits());
  options.real = any_double(random);
  options.text = any_text(random);
  for (uint64_t left = random.below(4); left > 0; --left) {
    options.wholes.push_back(int64_t(random.bits()) - (int64_t{1} << 31));
    options.reals.push_back(any_double(random));
    options.texts.push_back(any_text(random));
  }
  options.middle.inner.real = random.normal();
  options.middle.inner.text = any_text(random);
  options.middle.flag = random.chance(0.5);
  options.flag = random.chance(0.5);
  return options;
}

void expect_reads_back(Everything& options, bool comments) {
  const std::string text = to_toml(options, comments);
  SCOPED_TRACE(text);
  RecipeFile file = RecipeFile::parse(text, "printed");
  Everything read;
  file.bind(read);
  ASSERT_NO_THROW(file.finish());
  const auto bits = [](double value) { return std::bit_cast<uint64_t>(value); };
  EXPECT_EQ(read.whole, options.whole);
  EXPECT_EQ(bits(read.real), bits(options.real));
  EXPECT_EQ(read.text, options.text);
  EXPECT_EQ(read.wholes, options.wholes);
  ASSERT_EQ(read.reals.size(), options.reals.size());
  for (size_t i = 0; i < read.reals.size(); ++i)
    EXPECT_EQ(bits(read.reals[i]), bits(options.reals[i]));
  EXPECT_EQ(read.texts, options.texts);
  EXPECT_EQ(bits(read.middle.inner.real), bits(options.middle.inner.real));
  EXPECT_EQ(read.middle.inner.text, options.middle.inner.text);
  EXPECT_EQ(read.middle.flag, options.middle.flag);
  EXPECT_EQ(read.flag, options.flag);
  EXPECT_EQ(to_toml(read, comments), text);
}

TEST(Printer, TomlReadsBackForRandomOptions) {
  Random random = Seeds(1)("printer");
  for (int i = 0; i < 500; ++i) {
    Everything options = any_options(random);
    expect_reads_back(options, i % 2 == 1);
    if (HasFailure()) return;
  }
}

TEST(Printer, TomlReadsBackAtTheEdges) {
  using Limits = std::numeric_limits<double>;
  for (const double value :
       {0.0, -0.0, 1.0, 1e15, 1e16, 1e17, -3.0, Limits::infinity(), -Limits::infinity(),
        Limits::max(), Limits::denorm_min(), Limits::min()}) {
    Everything options;
    options.real = value;
    expect_reads_back(options, false);
  }
  for (const int64_t value :
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max()}) {
    Everything options;
    options.whole = value;
    expect_reads_back(options, true);
  }
}

struct Sgd {
  double lr = 1;
  std::string schedule = "cosine";
  void bind(Fields& f) {
    f("lr", lr, "Learning rate | step size.", above(0));
    f("schedule", schedule, "Shape over time.", {"cosine", "step"});
  }
};

struct Recipe {
  Sgd sgd;
  int64_t epochs = 20;
  std::vector<double> scale = {0.05, 1};
  std::string a_rather_long_option_name = "a rather long value";
  void bind(Fields& f) {
    f.section("sgd", sgd, "The optimizer.");
    f("epochs", epochs,
      "How often the learner sees each sample of a task; the papers of this family use between "
      "five "
      "and twenty.",
      at_least(1));
    f("scale", scale, "Area of random crops.", between(0, 1));
    f("a_rather_long_option_name", a_rather_long_option_name, "Long.");
  }
};

TEST(Printer, Toml) {
  Recipe recipe;
  EXPECT_EQ(to_toml(recipe),
            "epochs = 20\n"
            "scale = [0.05, 1.0]\n"
            "a_rather_long_option_name = \"a rather long value\"\n"
            "\n"
            "[sgd]\n"
            "lr = 1.0\n"
            "schedule = \"cosine\"\n");
}

TEST(Printer, NestedSections) {
  Middle middle;
  struct Outer {
    Middle& middle;
    void bind(Fields& f) { f.section("m", middle, "M."); }
  } outer{middle};
  EXPECT_EQ(to_toml(outer), "[m]\nflag = false\n\n[m.inner]\nreal = 0.5\ntext = \"x\"\n");
}

TEST(Printer, CommentedToml) {
  Recipe recipe;
  EXPECT_EQ(
      to_toml(recipe, true),
      "# How often the learner sees each sample of a task; the papers of this family use between "
      "five\n"
      "# and twenty. (whole number >= 1)\n"
      "epochs = 20\n"
      "\n"
      "# Area of random crops. (list of numbers in [0, 1])\n"
      "scale = [0.05, 1.0]\n"
      "\n"
      "# Long. (string)\n"
      "a_rather_long_option_name = \"a rather long value\"\n"
      "\n"
      "# The optimizer.\n"
      "[sgd]\n"
      "# Learning rate | step size. (number > 0)\n"
      "lr = 1.0\n"
      "\n"
      "# Shape over time. (one of \"cosine\", \"step\")\n"
      "schedule = \"cosine\"\n");
}

TEST(Printer, Markdown) {
  Sgd sgd;
  struct Outer {
    Sgd& sgd;
    bool flag = true;
    void bind(Fields& f) {
      f("flag", flag, "On.");
      f.section("sgd", sgd, "The optimizer.");
    }
  } outer{sgd};
  EXPECT_EQ(reference_markdown(outer),
            "| key | default | allowed | meaning |\n"
            "| --- | --- | --- | --- |\n"
            "| `flag` | `true` | true or false | On. |\n"
            "\n"
            "### `[sgd]`\n"
            "\n"
            "The optimizer.\n"
            "\n"
            "| key | default | allowed | meaning |\n"
            "| --- | --- | --- | --- |\n"
            "| `lr` | `1.0` | number > 0 | Learning rate \\| step size. |\n"
            "| `schedule` | `\"cosine\"` | one of \"cosine\", \"step\" | Shape over time. |\n");
}

TEST(Printer, PlainText) {
  Recipe recipe;
  EXPECT_EQ(reference_text(recipe),
            "  epochs = 20          How often the learner sees each sample of a task; the papers "
            "of this\n"
            "                       family use between five and twenty. (whole number >= 1)\n"
            "  scale = [0.05, 1.0]  Area of random crops. (list of numbers in [0, 1])\n"
            "  a_rather_long_option_name = \"a rather long value\"\n"
            "                       Long. (string)\n"
            "\n"
            "[sgd] The optimizer.\n"
            "  lr = 1.0             Learning rate | step size. (number > 0)\n"
            "  schedule = \"cosine\"  Shape over time. (one of \"cosine\", \"step\")\n");
}

TEST(Printer, AKeyBoundTwiceIsPrintedOnce) {
  struct Twice {
    Sgd sgd;
    void bind(Fields& f) {
      f.section("sgd", sgd, "The optimizer.");
      f.section("sgd", sgd, "The optimizer.");
    }
  } twice;
  EXPECT_EQ(to_toml(twice), "[sgd]\nlr = 1.0\nschedule = \"cosine\"\n");
}

struct Given {
  Inner inner;
  bool there = false;
  void bind(Fields& f) { f.section("inner", inner, "Sometimes.", there); }
};

TEST(Printer, ARecipeLeavesOutASectionThatIsNotGiven) {
  Given options;
  EXPECT_EQ(to_toml(options), "");
  EXPECT_NE(reference_text(options).find("[inner] Sometimes."), std::string::npos);
  EXPECT_NE(reference_markdown(options).find("`[inner]`"), std::string::npos);
  options.there = true;
  EXPECT_EQ(to_toml(options), "[inner]\nreal = 0.5\ntext = \"x\"\n");
  options.there = false;
  auto file = RecipeFile::parse("[inner]\nreal = 2", "r.toml");
  file.bind(options);
  file.finish();
  EXPECT_EQ(options.inner.real, 2) << "it is read all the same";
}

}  // namespace
}  // namespace patina

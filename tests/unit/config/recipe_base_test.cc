// Recipes based on other recipes: what is merged, where errors are located, and where a chain of
// bases ends.
#include <gtest/gtest.h>

#include <fstream>

#include "patina/base/error.h"
#include "patina/config/recipe_file.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

namespace fs = std::filesystem;

struct BaseModelOptions {
  std::string name = "starter";
  int64_t image_size = 0;
  std::vector<int64_t> sizes;
  void bind(Fields& f) {
    f("name", name, "Model.");
    f("image_size", image_size, "Side.", at_least(0));
    f("sizes", sizes, "Sizes.");
    f.require(image_size != 13, "image_size", "13 brings bad luck");
  }
};

struct BaseOptions {
  int64_t seed = 1;
  BaseModelOptions model;
  void bind(Fields& f) {
    f("seed", seed, "Seed.", at_least(0));
    f.section("model", model, "Model.");
  }
};

class RecipeBase : public testing::Test {
 protected:
  void write(const std::string& name, std::string_view text) {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }

  BaseOptions read(const std::string& name, const std::vector<std::string>& overrides = {}) {
    RecipeFile file = RecipeFile::read(folder_ / name, overrides);
    BaseOptions options;
    file.bind(options);
    file.finish();
    return options;
  }

  // The error that reading throws, without the scratch folder's path.
  std::string mistakes(const std::string& name, const std::vector<std::string>& overrides = {},
                       ErrorKind kind = ErrorKind::recipe) {
    try {
      read(name, overrides);
    } catch (const Error& error) {
      EXPECT_EQ(patina::name(error.kind()), patina::name(kind));
      std::string text = error.what();
      const std::string prefix = folder_.string() + '/';
      for (size_t at; (at = text.find(prefix)) != std::string::npos;) text.erase(at, prefix.size());
      return text;
    }
    return "no mistake";
  }

  const fs::path folder_ = scratch_folder(
      std::string("recipe_base_") + testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(RecipeBase, IsLaidUnderKeyByKey) {
  write("streams/small.toml",
        "seed = 7\n[model]\nname = 'tiny'\nimage_size = 160\nsizes = [1, 2]\n");
  write("cifar/ranpac.toml",
        "base = '../streams/small.toml'\n[model]\nimage_size = 32\nsizes = [3]\n");
  const BaseOptions options = read("cifar/ranpac.toml");
  EXPECT_EQ(options.seed, 7);
  EXPECT_EQ(options.model.name, "tiny");
  EXPECT_EQ(options.model.image_size, 32);
  EXPECT_EQ(options.model.sizes, (std::vector<int64_t>{3}));
}

TEST_F(RecipeBase, MayHaveABaseAndIsUnderOverrides) {
  write("a.toml", "base = 'b/b.toml'\n");
  write("b/b.toml", "base = 'c.toml'\nseed = 2\n");
  write("b/c.toml", "seed = 3\n[model]\nimage_size = 64\n");
  EXPECT_EQ(read("a.toml").seed, 2);
  EXPECT_EQ(read("a.toml").model.image_size, 64);
  EXPECT_EQ(read("a.toml", {"model.image_size=96"}).model.image_size, 96);
}

TEST_F(RecipeBase, MistakesNameTheirOwnFileAndLine) {
  write("streams/small.toml", "\n\n[model]\nimage_sise = 160\nname = 3\n");
  write("cifar/a.toml", "base = '../streams/small.toml'\nseed = -1\n[model]\nsizes = 1.5\n");
  EXPECT_EQ(mistakes("cifar/a.toml", {"seeed=1"}),
            "cifar/a.toml:2: seed: must be >= 0, is -1\n"
            "cifar/a.toml:4: model.sizes: expected a list of whole numbers, found a number\n"
            "streams/small.toml:4: model.image_sise: unknown key, did you mean \"image_size\"?\n"
            "streams/small.toml:5: model.name: expected a string, found a number\n"
            "--set seeed=1: seeed: unknown key, did you mean \"seed\"?");
  // A mistake in a base does not count if the recipe replaces the value.
  write("cifar/b.toml", "base = '../streams/small.toml'\nmodel = 1\n");
  EXPECT_EQ(mistakes("cifar/b.toml"), "cifar/b.toml:2: model: expected a section, found a number");
  write("unlucky.toml", "[model]\nimage_size = 13\n");
  write("cifar/c.toml", "base = '../unlucky.toml'\n[model]\nname = 'x'\n");
  EXPECT_EQ(mistakes("cifar/c.toml"), "unlucky.toml:2: model.image_size: 13 brings bad luck");
}

TEST_F(RecipeBase, ThatCannotBeReadIsPlacedWhereItIsNamed) {
  write("a.toml", "seed = 1\nbase = 'absent.toml'\n");
  EXPECT_EQ(mistakes("a.toml").find("a.toml:2: base: absent.toml: cannot open"), 0u)
      << mistakes("a.toml");
  write("b.toml", "base = 'bad.toml'\n");
  write("bad.toml", "seed = \n");
  EXPECT_EQ(mistakes("b.toml").find("b.toml:1: base: bad.toml:1:"), 0u) << mistakes("b.toml");
  write("c.toml", "base = 'd.toml'\n");
  write("d.toml", "\nbase = ['a.toml']\n");
  EXPECT_EQ(mistakes("c.toml"), "d.toml:2: base: expected a string, the path of a recipe");
}

TEST_F(RecipeBase, CyclesAreFound) {
  write("a.toml", "base = 'a.toml'\n");
  EXPECT_EQ(mistakes("a.toml"), "a.toml:1: base: a.toml is a base of itself");
  write("b.toml", "base = 'sub/c.toml'\n");
  write("sub/c.toml", "# back\nbase = '../sub/../b.toml'\n");
  EXPECT_EQ(mistakes("b.toml"), "sub/c.toml:2: base: b.toml is a base of itself");
}

TEST_F(RecipeBase, EightAtMost) {
  write("0.toml", "seed = 5\n");
  for (int i = 1; i <= 9; ++i)
    write(fmt::format("{}.toml", i), fmt::format("base = '{}.toml'\n", i - 1));
  EXPECT_EQ(read("8.toml").seed, 5);
  EXPECT_EQ(mistakes("9.toml"), "1.toml:1: base: more than 8 bases, one on another");
}

TEST_F(RecipeBase, OnlyAFileHasOne) {
  write("a.toml", "seed = 1\n");
  EXPECT_EQ(mistakes("a.toml", {"base=b.toml"}, ErrorKind::usage),
            "--set base=b.toml: a base can only be named in a recipe");
  try {
    RecipeFile::parse("base = 'a.toml'", "text");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "text:1: base: only a recipe that is a file can have a base");
  }
}

}  // namespace
}  // namespace patina

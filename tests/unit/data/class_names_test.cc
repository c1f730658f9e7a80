// Class names and templates from files.
#include "patina/data/class_names.h"

#include <gtest/gtest.h>

#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_source.h"

namespace patina {
namespace {

std::string written(const std::string& text) {
  const auto path = scratch_folder("class_names") / "names.json";
  write_text(path, text);
  return path.string();
}

using Strings = std::vector<std::string>;

TEST(ClassNames, AreAListOrASetByName) {
  const auto sets = written(R"({"pets": {"classes": ["cat", ["dog", "hound"]],
                                         "templates": ["a {}.", "the {}."]}, "plain": ["x"]})");
  EXPECT_EQ(read_class_names(sets, "pets"), (Strings{"cat", "dog"}));
  EXPECT_EQ(read_templates(sets, "pets"), (Strings{"a {}.", "the {}."}));
  EXPECT_EQ(read_class_names(sets, "plain"), Strings{"x"});
  EXPECT_EQ(read_class_names(written(R"(["a", "b"])"), ""), (Strings{"a", "b"}));
}

TEST(ClassNames, MistakesAreNamed) {
  const auto sets = written(R"({"pets": {"classes": ["cat", 3], "templates": ["a cat"]}})");
  const auto names = [&](const char* set) {
    return error_of([&] { read_class_names(sets, set); });
  };
  EXPECT_EQ(names("pet"), sets + ": no set \"pet\", did you mean \"pets\"?; it has 1 sets");
  EXPECT_EQ(names("pets"), sets + ": pets: classes 2 is not a text");
  EXPECT_EQ(error_of([&] { read_templates(sets, "pets"); }),
            sets + ": the template \"a cat\" has no {} for the class name");
  EXPECT_TRUE(contains(error_of([&] { read_class_names(written("{}"), ""); }), "it has 0 sets"));
  EXPECT_TRUE(contains(error_of([&] { read_class_names(written("[]"), ""); }), "not a list"));
  EXPECT_TRUE(contains(error_of([&] { read_class_names(written("[1"), ""); }), "names.json"));
}

TEST(ClassNames, RenameASource) {
  const auto source = renamed(std::make_unique<ToySource>(2, 3), {"cat", "dog"});
  EXPECT_EQ(source->classes(), (Strings{"cat", "dog"}));
  EXPECT_EQ(source->size(), 6);
  EXPECT_EQ(source->label(3), 1);
  EXPECT_EQ(error_of([] { renamed(std::make_unique<ToySource>(2, 3), {"cat"}); }),
            "data.class_names has 1 names, the data have 2 classes");
}

TEST(ClassNames, ReadsWhatClipsAuthorsPublish) {
  PATINA_NEED_SHARED(file, "data/clip_assets/class_names_and_templates.json");
  EXPECT_EQ(read_class_names(file, "imagenet").size(), 1000u);
  EXPECT_EQ(read_templates(file, "imagenet").size(), 80u);
  EXPECT_EQ(read_class_names(file, "cifar100")[1], "aquarium fish");
  EXPECT_EQ(read_class_names(file, "facialemotionrecognition2013").size(), 7u);
}

}  // namespace
}  // namespace patina

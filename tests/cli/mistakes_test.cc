// Mistakes on the command line: exit 2, and one line that says what is wrong and what to do.
#include <sys/resource.h>

#include <algorithm>

#include "patina/checkpoint/safetensors.h"
#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

// What was typed, and what the one line about it must say.
struct Mistyped {
  std::vector<std::string> words;
  const char* said;
};

void expect_refused(const fs::path& folder, const std::vector<Mistyped>& mistakes) {
  for (const auto& [words, said] : mistakes) {
    const Result result = call(folder, words);
    EXPECT_EQ(result.code, 2) << said << "\n" << result.err;
    EXPECT_TRUE(has(result.err, said)) << said << "\n" << result.err;
    EXPECT_FALSE(has(result.err, "internal error")) << result.err;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  }
}

TEST(Cli, a_mistyped_command_or_path_gets_one_line) {
  const auto folder = scratch_folder("cli-mistyped");
  write_images(folder / "images", 2, 2, 1);
  write_text(folder / "recipe.toml", kRecipe);
  const std::string image = "images/train/class0/0.png", name(300, 'a');
  const std::vector<int64_t> none = {0, 3, 32, 32};
  write_safetensors(folder / "none.safetensors", {{"input", {DType::f32, none, {}}}});
  expect_refused(
      folder,
      {{{"rnu", "recipe.toml"}, "no command is called \"rnu\", did you mean \"run\"?"},
       {{"rnu", "--help"}, "no command is called \"rnu\""},
       {{"--threads", "1", "sweeep"}, "no command is called \"sweeep\", did you mean \"sweep\"?"},
       {{"list"}, "list what? One of learners, models"},
       {{"features", "starter", "none.safetensors", "-o", "f.safetensors"}, "input has no rows"},
       {{"features", "starter", name, "-o", "f.safetensors"}, "File name too long"},
       {{"features", name, image, "-o", "f.safetensors"}, "File name too long"},
       {{"generate", name, "hello"}, "File name too long"},
       {{"features", "no_such", image, "--weights", "w.safetensors", "-o", "f.safetensors"},
        "\"no_such\" is none"},
       {{"run", "recipe.toml", "--set", "training.lr=1e39"}, "training.lr: must be at most"},
       {{"run", "recipe.toml", "--set", "learner.name=ranpac", "--set", "learner.projection=1e9"},
        "learner.projection: must be in [0, 1048576], is 1000000000"},
       {{"run", "recipe.toml", "--set", "scenario.blurry_tasks=1000000"},
        "scenario.blurry_tasks: must be in [1, 1000]"},
       {{"run", "recipe.toml", "--set", "model.form=bf61"},
        "model.form: must be one of \"fp32\", \"bf16\", \"stored\", is \"bf61\""},
       {{"run", "recipe.toml", "--set", "model.form=bf16"}, "networks of texts have it"},
       {{"run", "recipe.toml", "--set", "model.name=mlp", "--set", "model.form=stored"},
        "starts untrained: set it to fp32"},
       {{"learn", "new.patina", "class0", "images/train/class0", "--form", "stored"},
        "networks of texts have it"},
       {{"run", "recipe.toml", "--set", "data.path=2024"}, "2024: no such folder"}});
  EXPECT_TRUE(has(call(folder, {"features", "starter", image, "-o", "f.csv"}).err,
                  "f.csv: features are written as safetensors"));
  EXPECT_FALSE(fs::exists(folder / "f.csv"));
}

TEST(Cli, more_memory_than_there_is_gets_one_line) {
  const auto folder = scratch_folder("cli-memory");
  write_images(folder / "images", 2, 2, 1);
  write_text(folder / "recipe.toml", std::string(kRecipe) +
                                         "[model]\nname = \"mlp\"\n"
                                         "hidden = [65536, 65536, 65536, 65536, 65536, 65536]\n");
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_AS, &before), 0);
  const rlimit small{rlim_t{12} << 30, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &small), 0);
  expect_refused(folder, {{{"run", "recipe.toml"}, "patina: not enough memory for"}});
  ASSERT_EQ(::setrlimit(RLIMIT_AS, &before), 0);
}

TEST(Cli, a_resumed_run_that_is_not_there_is_told) {
  const auto folder = scratch_folder("cli-resume");
  write_images(folder / "images", 2, 2, 1);
  write_text(folder / "recipe.toml", kRecipe);
  const Result begun = call(folder, {"run", "recipe.toml", "--out", "typo", "--resume"});
  EXPECT_EQ(begun.code, 0) << begun.err;
  EXPECT_TRUE(has(begun.err, "typo: no run to resume here; it begins now")) << begun.err;
  EXPECT_FALSE(has(call(folder, {"run", "recipe.toml", "--out", "typo", "--resume"}).err,
                   "no run to resume"));
}

}  // namespace
}  // namespace patina

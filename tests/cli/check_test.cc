// `patina check`, `doctor`, `completion` and `manual`: what helps before a run.
#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): POSIX's, with kill

#include <set>
#include <sstream>
#include <thread>

#include "tests/cli/images.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

const std::string kChecked =
    "[data]\nname = \"folder\"\npath = \"images\"\n[scenario]\nclasses_per_task = 2\n"
    "[learner]\nname = \"finetune\"\n[training]\nepochs = 3\nbatch_size = 4\n";

TEST(Check, says_what_a_run_would_do_and_writes_nothing) {
  const auto folder = scratch_folder("check");
  write_images(folder / "images", 4, 6, 2);
  write_text(folder / "my.toml", kChecked);
  const Result checked = call(folder, {"check", "my.toml", "--seconds", "1"});
  ASSERT_EQ(checked.code, 0) << checked.err;
  for (const char* part : {"my.toml: it can run", "finetune on class_incremental", "2 tasks",
                           "network: ViT", "task 2: 2 classes (2 new), 12 to learn from, 4 to test",
                           "steps: up to 18",  // two tasks of three epochs of three batches
                           "\ntime: up to about ", "\nmemory: "})
    EXPECT_TRUE(has(checked.out, part)) << part << "\n" << checked.out;
  EXPECT_FALSE(fs::exists(folder / "runs"));
  EXPECT_FALSE(fs::exists(folder / "cache"));
}

TEST(Check, refuses_what_a_run_refuses) {
  const auto folder = scratch_folder("check-refused");
  write_images(folder / "images", 4, 6, 2);
  const auto refused = [&](const std::string& recipe, std::vector<std::string> words = {}) {
    write_text(folder / "my.toml", recipe);
    words.insert(words.begin(), {"check", "my.toml"});
    const Result result = call(folder, words);
    EXPECT_EQ(result.code, 2);
    return result.err;
  };
  EXPECT_TRUE(has(refused("[learner]\nname = \"fintune\"\n"), "fintune"));
  EXPECT_TRUE(has(refused(kChecked, {"--set", "data.path=absent"}), "absent"));
  EXPECT_TRUE(has(refused(kChecked, {"--set", "model.name=absent.safetensors"}), "absent"));
  EXPECT_TRUE(has(refused(kChecked, {"--set", "learner.name=hat"}), "hat cannot run on"));
  EXPECT_TRUE(has(refused(kChecked, {"--set", "engine.device=cuda:9"}), "cuda:9"));
}

// There is nothing to save, so that the first signal ends it.
TEST(Check, ends_when_it_is_interrupted) {
  const auto folder = scratch_folder("check-interrupted");
  write_images(folder / "images", 4, 6, 2);
  write_text(folder / "my.toml", kChecked);
  const auto child =
      start(folder, {"check", "my.toml", "--seconds", "600", "--set", "training.epochs=1000000"});
  const auto learns = [&] {
    return is_file(folder / "err") && has(read_text(folder / "err"), "training");
  };
  for (int waited = 0; waited < 600 && !learns(); ++waited)
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_TRUE(learns());
  ::kill(child, SIGINT);
  EXPECT_EQ(finish(folder, child).code, -SIGINT);
  EXPECT_EQ(call(folder, {"check", "my.toml", "--seconds", "-1"}).code, 2);
}

TEST(Doctor, tells_what_there_is) {
  const auto folder = scratch_folder("doctor");
  // A set that is where PATINA_DATA says. No sample of it is read.
  make_folder(folder / "data/usps");
  write_text(folder / "data/usps/usps-train-images-idx3-ubyte", "?");
  ::setenv("PATINA_DATA", (folder / "data").c_str(), 1);
  const Finally restore([] { ::unsetenv("PATINA_DATA"); });
  const Result told = call(folder, {"doctor"});
  ASSERT_EQ(told.code, 0) << told.err;
  for (const char* part :
       {"LibTorch ", "instructions: ", "threads: ", "devices: cpu", "starter", "mnist"})
    EXPECT_TRUE(has(told.out, part)) << part << "\n" << told.out;
}

// What bash offers after some words.
std::string offered(const fs::path& folder, const std::string& words) {
  write_text(folder / "ask.sh", "source completion\nCOMP_WORDS=(" + words +
                                    ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_patina\n"
                                    "echo \"${COMPREPLY[@]}\" > offered\n");
  const std::string line = "cd '" + folder.string() + "' && bash ask.sh";
  EXPECT_EQ(std::system(line.c_str()), 0);
  return " " + read_text(folder / "offered");
}

TEST(Completion, offers_commands_options_and_names) {
  const auto folder = scratch_folder("completion");
  write_text(folder / "completion", call(folder, {"completion", "bash"}).out);
  EXPECT_EQ(offered(folder, "patina pred"), " predict\n");
  EXPECT_TRUE(has(offered(folder, "patina run --re"), " --resume"));
  EXPECT_TRUE(has(offered(folder, "patina explain dualp"), " dualprompt"));
  EXPECT_EQ(offered(folder, "patina --quiet list scen"), " scenarios\n");
  for (const char* shell : {"zsh", "fish"})
    EXPECT_TRUE(has(call(folder, {"completion", shell}).out, "predict")) << shell;
  EXPECT_EQ(call(folder, {"completion", "csh"}).code, 2);
}

TEST(Manual, has_every_command) {
  const auto folder = scratch_folder("manual");
  const Result page = call(folder, {"manual"});
  ASSERT_EQ(page.code, 0);
  for (const char* part : {".TH PATINA 1", ".SS patina run", ".SS patina manual", "\\-\\-resume"})
    EXPECT_TRUE(has(page.out, part)) << part;
  // No line of a text is taken for a request.
  const std::set<std::string> requests = {".TH", ".SH", ".SS", ".TP", ".B",
                                          ".I",  ".PP", ".nf", ".fi"};
  std::istringstream lines(page.out);
  for (std::string line; std::getline(lines, line);) {
    const bool requests_something = line.starts_with('.');
    EXPECT_TRUE(!requests_something || requests.count(line.substr(0, line.find(' ')))) << line;
    EXPECT_FALSE(line.starts_with('\'')) << line;
  }
}

}  // namespace
}  // namespace patina

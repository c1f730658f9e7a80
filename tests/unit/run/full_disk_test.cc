// A disk that becomes full while a run writes: the run ends with an error that names the file. Once
// there is space again, it continues from the previous checkpoint and ends with the same bits.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>

#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/stopped_runs.h"
#include "tests/support/toy_network.h"

namespace patina {
namespace {

/// While one exists, no file of this process may grow beyond `bytes`.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit full{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &full);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }

 private:
  rlimit before_{};
  void (*signal_)(int);
};

Json run_toy(const fs::path& where, const RunControl& control = {}) {
  Recipe recipe;
  auto file = RecipeFile::parse("", "toy",
                                {"seed=7", "data.name=toy", "model.name=toy", "learner.name=icarl",
                                 "scenario.classes_per_task=2", "training.epochs=2"});
  file.bind(recipe);
  const DataSplits data = toy_data(6, 12, 4);
  return run(recipe, data, *toy_network("icarl", 6), where, control);
}

TEST(FullDisk, LosesNothing) {
  const fs::path scratch = scratch_folder("full-disk"), where = scratch / "filled";
  const Json whole = run_toy(scratch / "whole");
  std::optional<FullDisk> full;
  const std::string message = error_of([&] {
    run_toy(where, {.should_stop = [&] {
              if (!full && fs::exists(where / "checkpoint.safetensors")) full.emplace(1024);
              return false;
            }});
  });
  ASSERT_TRUE(full) << "the first task's checkpoint was made";
  full.reset();
  EXPECT_NE(message.find((where / "checkpoint").string()), std::string::npos) << message;
  EXPECT_NE(message.find("cannot write: File too large"), std::string::npos) << message;
  EXPECT_EQ(Archive::read(where / "checkpoint.safetensors").tensors().empty(), false);
  for (const auto& entry : fs::directory_iterator(where))
    EXPECT_NE(entry.path().extension(), ".tmp") << entry.path();

  const Json continued = run_toy(where, {.mode = RunMode::resume});
  EXPECT_EQ(whole["matrix"], continued["matrix"]);
  EXPECT_EQ(learned(scratch / "whole"), learned(where));
}

}  // namespace
}  // namespace patina

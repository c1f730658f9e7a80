// Effects of the engines' precision: features keep their direction, and a run keeps its accuracy.
#include <gtest/gtest.h>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/config/recipe_file.h"
#include "patina/kernels/isa.h"
#include "patina/run/run.h"
#include "tests/support/shared.h"

namespace patina {
namespace {

TEST(Engine, AutoIsBf16WhereThatIsFaster) {
  const bool faster = kernels::bf16_is_faster();
  EXPECT_EQ(make_engine({})->text().starts_with("packed bf16"), faster);
  EXPECT_TRUE(make_engine({.precision = "fp32"})->text().starts_with("packed fp32"));
  EXPECT_TRUE(make_engine({.precision = "bf16"})->text().starts_with("packed bf16"));
  EXPECT_EQ(make_engine({.kind = "plain"})->text(), "plain");
  EXPECT_THROW(make_engine({.kind = "plain", .precision = "bf16"}), Error);
  EngineOptions elsewhere;
  elsewhere.device = "nowhere:1";
  EXPECT_THROW(make_engine(elsewhere), Error);
}

// CIFAR-100 in ten tasks on the starter weights, 10 images of each class to learn and 20 to test.
Json run_small(const fs::path& data, const std::string& learner, const std::string& precision) {
  const fs::path folder = scratch_folder("precision_" + learner + precision);
  auto file = RecipeFile::parse(
      fmt::format("[data]\nname = \"cifar100\"\npath = \"{}\"\ntrain_per_class = 10\n"
                  "test_per_class = 20\n[scenario]\nclasses_per_task = 10\n"
                  "[learner]\nname = \"{}\"\n{}[engine]\nprecision = \"{}\"\n"
                  "cache_disk_bytes = 0\n",
                  data.string(), learner, learner == "fecam" ? "adaptation = \"none\"\n" : "",
                  precision),
      "small.toml");
  Recipe recipe;
  file.bind(recipe);
  file.finish();
  return run(recipe, folder, {.cache = true});
}

class Precision : public testing::TestWithParam<const char*> {};

TEST_P(Precision, Bf16KeepsTheAccuracy) {
  PATINA_NEED_SHARED(data, "data/cifar100_small");
  const std::string learner = GetParam();
  const Json fp32 = run_small(data, learner, "fp32");
  const Json bf16 = run_small(data, learner, "bf16");
  for (const char* metric : {"last_accuracy", "average_incremental_accuracy"}) {
    const double wanted = fp32["metrics"][metric];
    EXPECT_GT(wanted, 0.1) << metric;
    EXPECT_NEAR(bf16["metrics"][metric].get<double>(), wanted, 0.003) << metric;
  }
  // Only features are computed; nothing is trained.
  EXPECT_GT(bf16["engine"]["flops"]["train"]["forward"].get<int64_t>(), 0);
  EXPECT_EQ(bf16["engine"]["flops"]["train"]["backward"].get<int64_t>(), 0);
}

INSTANTIATE_TEST_SUITE_P(Learners, Precision, testing::Values("simplecil", "fecam"));

}  // namespace
}  // namespace patina

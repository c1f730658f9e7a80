// `patina bench` as a person meets it: every scenario runs, and mistakes are found before anything
// is measured.
#include <gtest/gtest.h>

#include <map>

#include "patina/base/json.h"
#include "tests/cli/program.h"

namespace patina {
namespace {

TEST(Bench, every_scenario_runs_and_is_written) {
  const auto folder = scratch_folder("bench");
  const Result result = call(folder, {"bench", "--quick", "--out", "x.json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Json record = parse_json(read_text(folder / "x.json"), "x.json");
  EXPECT_EQ(record["quick"], true);
  for (const char* key : {"cpu", "cores", "threads", "isa", "libtorch"})
    EXPECT_TRUE(record["machine"].contains(key)) << key;
  EXPECT_FALSE(record["load_average"]["after"].empty());
  std::map<std::string, size_t> cases;
  for (const auto& scenario : record["scenarios"]) {
    const std::string name = scenario["name"];
    cases[name] = scenario["cases"].size();
    EXPECT_TRUE(has(result.err, name)) << result.err;
    for (const auto& one : scenario["cases"]) {
      EXPECT_TRUE(has(result.out, one["name"])) << result.out;
      for (const auto& ratio : one["ratios"]) {
        EXPECT_TRUE(has(result.out, ratio["name"])) << result.out;
        EXPECT_GT(ratio["value"].get<double>(), 0) << ratio["name"];
        EXPECT_TRUE(ratio["met"].is_null()) << "a quick size was judged";
      }
    }
  }
  cases.erase("workers");  // where there is Gloo
  EXPECT_EQ(cases, (std::map<std::string, size_t>{{"forward", 3},
                                                  {"train_step", 6},
                                                  {"language", 4},
                                                  {"forms", 4},
                                                  {"memory", 1},
                                                  {"ranpac_fit", 1},
                                                  {"fecam_scoring", 1},
                                                  {"simplecil", 1},
                                                  {"ranpac", 1}}));
}

TEST(Bench, mistakes_are_found_before_anything_is_measured) {
  const auto folder = scratch_folder("bench-mistakes");
  const Result unknown = call(folder, {"bench", "--only", "fecam_skoring"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_TRUE(has(unknown.err,
                  "no scenario is called \"fecam_skoring\", did you mean \"fecam_scoring\"?; there "
                  "are forward, train_step,"))
      << unknown.err;
  const Result nowhere = call(folder, {"bench", "--only", "fecam_scoring", "--out", "no/x.json"});
  EXPECT_EQ(nowhere.code, 2);
  EXPECT_TRUE(has(nowhere.err, "no/x.json: cannot create: No such file or directory"))
      << nowhere.err;
  EXPECT_EQ(nowhere.out, "");  // nothing was measured in vain
  const Result taken = call(folder, {"bench", "--only", "fecam_scoring", "--out", "."});
  EXPECT_EQ(taken.code, 2);
  EXPECT_TRUE(has(taken.err, ".: is a folder; --out names a file")) << taken.err;

  const Result one = call(folder, {"bench", "--quiet", "--quick", "--only", "fecam_scoring"});
  EXPECT_EQ(one.code, 0);
  EXPECT_EQ(one.err, "");
  EXPECT_TRUE(has(one.out, "fecam_scoring: ")) << one.out;
  EXPECT_FALSE(has(one.out, "forward: ")) << one.out;
}

}  // namespace
}  // namespace patina

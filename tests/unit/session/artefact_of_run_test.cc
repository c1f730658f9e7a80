// The artefact of a run: for every test image it predicts what the run predicted last, and it can
// learn more.
#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "patina/checkpoint/load.h"
#include "patina/data/sample_access.h"
#include "patina/data/views.h"
#include "patina/run/run.h"
#include "patina/session/session.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

class Artefacts : public testing::TestWithParam<std::string> {};

TEST_P(Artefacts, SayWhatTheRunSaid) {
  const std::string learner = GetParam();
  const fs::path folder = scratch_folder("artefact-of-run") / learner;
  Recipe recipe = toy_recipe(learner, 2);
  const DataSplits data = kImages.data(8, 4);
  const auto network = kImages.network(learner);
  run(recipe, data, *network, folder);

  const Scenario scenario = make_scenario(recipe.scenario, data);
  const auto session =
      Session::open(folder / "model.patina", {.backbone = kImages.network(learner)});
  EXPECT_EQ(session.learner(), learner);
  EXPECT_EQ(session.classes(), scenario.classes());
  EXPECT_EQ(session.tasks(), scenario.tasks());
  const auto file = SafetensorsFile::open(folder / "predictions.safetensors");
  const auto said = items_of(to_tensor(file.at(fmt::format("after_task_{}", scenario.tasks()))));
  const std::shared_ptr<const Source> all = toy_data(ToyWorld::kClasses, 8, 4).test;
  size_t at = 0;
  for (int task = 0; task < scenario.tasks(); ++task) {
    const Dataset& test = scenario.test(task);
    std::vector<int64_t> positions;
    for (int64_t i = 0; i < test.size(); ++i) positions.push_back(SampleAccess::position(test, i));
    const bool told = scenario.grant().task_id_at_test;
    for (const auto& found :
         session.predict(Selection(all, positions), {.top = 1, .task = told ? task : -1}))
      EXPECT_EQ(found.front().number, said[at++]);
  }
  EXPECT_EQ(at, said.size());
}

INSTANTIATE_TEST_SUITE_P(OfEveryFamily, Artefacts,
                         testing::Values("finetune", "er", "ewc", "hat", "slda", "l2p", "ranpac",
                                         "slca", "zsclip", "mos"),
                         [](const auto& info) { return info.param; });

TEST(Artefacts, GoOnLearning) {
  const fs::path folder = scratch_folder("artefact-of-run") / "goes-on";
  Recipe recipe = toy_recipe("simplecil", 1);
  const auto network = kImages.network("simplecil");
  run(recipe, kImages.data(8, 4), *network, folder);
  auto session = Session::open(folder, {.backbone = kImages.network("simplecil")});
  session.learn(std::make_shared<ToySource>(1, 6, 5, 7));
  EXPECT_EQ(session.classes().size(), size_t(ToyWorld::kClasses) + 1);
  EXPECT_EQ(session.predict(ToySource(1, 4, 6, 7)).front().front().name, "toy 7");
  session.save(folder);
  const auto saved =
      Session::open(folder / "model.patina", {.backbone = kImages.network("simplecil")});
  EXPECT_EQ(saved.classes(), session.classes());
}

TEST(Artefacts, AreNotPutIntoOtherFolders) {
  const fs::path folder = scratch_folder("artefact-of-run") / "other";
  fs::create_directories(folder);
  const auto session = Session::create(kImages.network("simplecil"), {});
  const std::string said = folder.string() +
                           ": a folder without model.patina: a run leaves one when it is finished; "
                           "name its folder, or a file, such as pets.patina";
  EXPECT_EQ(error_of(ErrorKind::file, [&] { session.save(folder); }), said);
  EXPECT_EQ(error_of(ErrorKind::file, [&] { Session::open(folder); }), said);
  EXPECT_TRUE(fs::is_empty(folder));
}

}  // namespace
}  // namespace patina

// Methods that solve a closed form over frozen features, against NumPy in double
// (tools/fixtures/closed_forms.py): the scores of all test images after each of three tasks.
#include <gtest/gtest.h>

#include "tests/support/fixture_images.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

class ClosedFormParity : public testing::TestWithParam<Method> {};

TEST_P(ClosedFormParity, ScoresAfterEveryTask) {
  const auto folder = fixture_folder(Fixtures::small);
  const Reference expected(folder / "closed_forms.safetensors");
  const auto images = [&](const std::string& split) {
    return std::make_unique<FixtureImages>(expected(split + ".images"),
                                           expected(split + ".targets"), 6);
  };
  const auto vit = load_backbone({.name = (folder / "vision/vit_random.safetensors").string()});
  Recipe recipe = toy_recipe(GetParam().learner, 1, 0, GetParam().settings);
  recipe.scenario.class_order_seed = -1;
  const DataSplits all{"all", images("train"), images("test")};
  ToyDrive toy(GetParam().learner, std::move(recipe), {"fixture", images("train"), images("test")},
               *vit);
  const Dataset asked = whole(*all.test);
  for (int task = 0; task < 3; ++task) {
    toy.learn(*toy.stream.next());
    const Batch batch = *Loader(asked, toy.rig.test_feed(), toy.rig.pool(), asked.size()).next();
    EXPECT_PARITY(toy.learner->scores(batch),
                  expected(fmt::format("{}.{}", GetParam().fixture, task)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Methods, ClosedFormParity,
    testing::Values(Method{"simplecil", "simplecil", {}}, Method{"fecam", "fecam", {}},
                    Method{"ridge",
                           "ranpac",
                           {"learner.adaptation=\"none\"", "learner.projection=0",
                            "learner.grid_low=1", "learner.grid_high=1"}}),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace patina

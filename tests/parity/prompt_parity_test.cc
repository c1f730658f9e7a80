// The prompt methods on a small ViT against one step computed in double from their papers
// (tools/fixtures/prompts.py): the loss, the gradient of everything they train, and the weights
// after a step of the optimizer.
#include <gtest/gtest.h>

#include "patina/data/sample_access.h"
#include "tests/support/parity.h"
#include "tests/support/shared.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

const Reference& prompts() {
  static const Reference file(fixture_folder(Fixtures::small) / "prompts.safetensors");
  return file;
}

Recipe recipe_of(const Method& method) {
  Recipe recipe = toy_recipe(method.learner, 1, 0, method.settings);
  recipe.training.optimizer = {.lr = 0.02, .schedule = "constant", .clip_norm = 0.5};
  if (method.learner == "vpt")
    recipe.training.optimizer.weight_decay = 0.1;
  else
    recipe.training.optimizer.optimizer = "adam";
  return recipe;
}

/// In the second of two tasks of two classes, with the fixture's prompts and heads.
struct SecondTask {
  explicit SecondTask(const Method& method)
      : fixture(method.fixture),
        network(load_backbone(
            {.name =
                 (fixture_folder(Fixtures::small) / "vision/vit_random.safetensors").string()})),
        toy(method.learner, recipe_of(method), toy_data(4, 2, 2), *network) {
    for (int i = 0; i < 2; ++i) learner->begin_task(*toy.stream.next(), toy.trainer);
    Archive begun = state();
    for (const auto& [key, tensor] : begun.tensors())
      Tensor(tensor).copy_(prompts()(fmt::format("{}.begin.{}", fixture, key)));
    Archive changed = std::move(begun).reopened();
    learner->state(changed);
  }
  Archive state() {
    Archive saved;
    learner->state(saved);
    return saved;
  }
  std::vector<Tensor> trained() { return learner->trainable().at(0).tensors; }

  std::string fixture;
  std::unique_ptr<Backbone> network;
  ToyDrive toy;
  Learner* const learner = toy.learner;
  const Batch batch = SampleAccess::batch(prompts()("images"), prompts()("targets"), at::arange(6));
};

class PromptParity : public testing::TestWithParam<Method> {};

TEST_P(PromptParity, LossAndGradients) {
  SecondTask now(GetParam());
  const Tensor loss = now.learner->loss(now.batch, {});
  const double expected = prompts()(now.fixture + ".loss").item<double>();
  EXPECT_NEAR(loss.item<double>(), expected, kFloatTolerance * std::abs(expected));
  loss.backward();
  const auto trained = now.trained();
  ASSERT_FALSE(prompts().has(fmt::format("{}.gradient.{}", now.fixture, trained.size())));
  for (size_t i = 0; i < trained.size(); ++i) {
    const auto key = fmt::format("{}.gradient.{}", now.fixture, i);
    EXPECT_LT(error_of_largest(trained[i].grad(), prompts()(key)), kFloatTolerance) << key;
  }
}

TEST_P(PromptParity, WeightsAfterAStep) {
  SecondTask now(GetParam());
  now.toy.trainer.descend(*now.learner, now.batch);
  size_t moved = 0;
  const Archive saved = now.state();
  for (const auto& [key, tensor] : saved.tensors()) {
    const auto after = fmt::format("{}.after.{}", now.fixture, key);
    if (prompts().has(after)) {
      EXPECT_LT(error_of_largest(tensor, prompts()(after)), kFloatTolerance) << after;
      ++moved;
    } else {
      EXPECT_TRUE(at::equal(tensor, prompts()(fmt::format("{}.begin.{}", now.fixture, key))))
          << key << " moved";
    }
  }
  EXPECT_EQ(moved, now.trained().size());
}

const std::vector<std::string> kPool = {"learner.pool=5", "learner.length=2", "learner.chosen=2",
                                        "learner.pull=0.5"};
const std::vector<std::string> kPrefixes = {"learner.general_length=2", "learner.expert_length=2",
                                            "learner.general_layers=[0]",
                                            "learner.expert_layers=[1]", "learner.pull=0.5"};

std::vector<std::string> as_pilot(std::vector<std::string> settings) {
  settings.emplace_back("learner.compat=\"pilot\"");
  return settings;
}

INSTANTIATE_TEST_SUITE_P(
    Methods, PromptParity,
    testing::Values(
        Method{"vpt", "vpt", {"learner.tokens=3"}}, Method{"l2p", "l2p", kPool},
        Method{"l2p_pilot", "l2p", as_pilot(kPool)}, Method{"dualprompt", "dualprompt", kPrefixes},
        Method{"dualprompt_pilot", "dualprompt", as_pilot(kPrefixes)},
        Method{"coda_prompt",
               "coda_prompt",
               {"learner.components=3", "learner.length=4", "learner.orthogonality=0.1"}},
        Method{"l2p_deep", "l2p_deep", {"learner.pool=5", "learner.length=4", "learner.chosen=2"}},
        Method{"dap", "dap", {"learner.length=3", "learner.embedding=4", "learner.pull=0.5"}}),
    testing::PrintToStringParamName());

}  // namespace
}  // namespace patina

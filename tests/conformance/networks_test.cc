// Every method on other kinds of networks: a residual network for images, a tiny BERT and a tiny
// GPT for texts. It learns there, does not change what is frozen and continues after stops with the
// same bits, or it is refused with a sentence.
#include <gtest/gtest.h>

#include "patina/base/json.h"
#include "tests/support/errors.h"
#include "tests/support/shared.h"
#include "tests/support/stopped_runs.h"
#include "tests/support/toy_world.h"

namespace patina {
namespace {

// The end of the sentence with which a method is refused; nothing if it must run.
std::optional<std::string> refusal(const LearnerRow& row, const ToyWorld& world) {
  if (row.network == Network::clip) return " reads class names: it needs a CLIP, and the model is ";
  if (row.network == Network::mlp)
    return " masks the units of an MLP (model.name = \"mlp\"), and the model is ";
  if (row.network == kQuestions)
    return " answers questions about images: it needs a CLIP with model.fused = true, and the "
           "model is ";
  if (reads_texts(row.name) && !world.text)
    return " learns from the order of words, and the model is ";
  if (row.name == "dap" && world.text)
    return " makes prompts from a fixed number of tokens: it needs images";
  if (row.network == Network::transformer && world.name == kResNet.name)
    return " adapts transformer blocks, and the model has none: ";
  return {};
}

void try_on(const ToyWorld& world, const std::string& learner) {
  const fs::path folder = scratch_folder(world.name + "-" + learner);
  const auto run_on = [&](Backbone& network, const fs::path& where, const RunControl& control) {
    // Each stage of ESN is trained from scratch, a prompt alone changes a tiny network slowly, and
    // OML-ER learns from a part of every batch.
    const bool slow = learner == "vpt" || learner == "oml_er";
    const int64_t epochs = learner == "esn" ? 60 : slow ? 12 : 3;
    Recipe recipe = toy_recipe(learner, epochs);
    const DataSplits data = world.data();
    return run(recipe, data, network, where, control);
  };
  const auto network = world.network(learner);
  const std::string about = network->about();
  if (const auto sentence = refusal(*find_learner(learner), world)) {
    const std::string said = error_of([&] { run_on(*network, folder / "refused", {}); });
    EXPECT_EQ(said, learner + *sentence + (sentence->ends_with(' ') ? about : ""));
    EXPECT_FALSE(fs::exists(folder / "refused/record.json"));
    return;
  }
  FrozenWatch frozen(*network);
  const WholeRun whole = run_whole(
      [&](const RunControl& control) { return run_on(*network, folder / "whole", control); },
      folder / "whole", {.should_stop = [&] {
        frozen.note();
        return false;
      }});
  EXPECT_EQ(whole.record["status"], "complete");
  // Later tasks may make the first one forgotten, and a few epochs may be too few for the first: it
  // is enough if something is learned.
  const double first = whole.record["accuracy_after_task"][0].get<double>();
  const double last = whole.record["metrics"]["last_accuracy"].get<double>();
  EXPECT_TRUE(first > 0.6 || last > 1.5 / ToyWorld::kClasses) << first << ", then " << last;
  EXPECT_EQ(frozen.broken(), std::vector<std::string>{});
  const Json record = run_over_damage(
      [&](const RunControl& control) {
        return run_on(*world.network(learner), folder / "stopped", control);
      },
      folder / "stopped", whole.asks);
  EXPECT_EQ(whole.record["matrix"], record["matrix"]);
  EXPECT_EQ(whole.learned, learned(folder / "stopped"));
}

class Networks : public testing::TestWithParam<std::string> {};

TEST_P(Networks, resnet_is_learned_on_or_refused) {
  try_on(kResNet, GetParam());
}
TEST_P(Networks, bert_is_learned_on_or_refused) {
  static const ToyWorld bert = on_texts("bert");
  try_on(bert, GetParam());
}
TEST_P(Networks, gpt_is_learned_on_or_refused) {
  static const ToyWorld gpt = on_texts("gpt2");
  try_on(gpt, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Learners, Networks, testing::ValuesIn(classifier_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace patina

// PackNet with the options of its registry row, on a transformer.
#include <gtest/gtest.h>

#include <set>

#include "patina/learners/isolation/layer_weights.h"
#include "patina/ops.h"
#include "tests/support/families.h"
#include "tests/support/toy_learning.h"

namespace patina {
namespace {

const ScenarioOptions kTold{.name = "task_incremental", .classes_per_task = 2};

TrainingOptions own_training(const std::string& optimizer) {
  TrainingOptions training = find_learner("packnet")->training;
  training.epochs = 2;
  training.batch_size = 8;
  training.optimizer.optimizer = optimizer;
  // Larger than usual, so that decay is visible.
  training.optimizer.lr = 0.01;
  training.optimizer.weight_decay = 0.1;
  return training;
}

class PackNetBy : public testing::TestWithParam<const char*> {};
TEST_P(PackNetBy, KeepsTheRowsOfEarlierTasks) {
  ASSERT_GT(find_learner("packnet")->training.optimizer.weight_decay, 0);
  ASSERT_GT(find_learner("packnet")->training.optimizer.momentum, 0);
  ToyLearning toy("packnet", "retrain_epochs = 1", own_training(GetParam()), kTold);
  toy.learn();
  const auto first = toy.state();
  toy.learn();
  const auto second = toy.state();
  toy.learn();
  const auto third = toy.state();
  for (const char* key : {"head.weight", "head.bias"}) {
    EXPECT_TRUE(at::equal(second.at(key).slice(0, 0, 2), first.at(key))) << key;
    EXPECT_TRUE(at::equal(third.at(key).slice(0, 0, 4), second.at(key))) << key;
    EXPECT_GT(third.at(key).slice(0, 4, 6).abs().max().item<double>(), 0) << key;
  }
}
INSTANTIATE_TEST_SUITE_P(Optimizers, PackNetBy, testing::Values("sgd", "adam", "adamw"));

// The paper prunes the weights of linear and convolution layers.
TEST(PackNet, PrunesLayersAlone) {
  ToyLearning toy("packnet", "retrain_epochs = 1", own_training("sgd"), kTold);
  toy.learn();
  const auto first = toy.state();
  int64_t tables = 0, layers = 0;
  for (const auto& item : nn::tensors(*toy.vit)) {
    const double zeros = item.tensor.eq(0).to(at::kDouble).mean().item<double>();
    if (item.name == "cls_token" || item.name == "pos_embed") {
      EXPECT_EQ(zeros, 0) << item.name;
      ++tables;
    } else if (item.tensor.dim() >= 2) {
      EXPECT_NEAR(zeros, 0.5, 0.02) << item.name;
      ++layers;
    }
  }
  EXPECT_EQ(tables, 2);
  EXPECT_EQ(layers, 9) << "four in each of two blocks, and the patches";
  toy.learn();
  for (const char* key : {"backbone.cls_token", "backbone.pos_embed"})
    EXPECT_TRUE(at::equal(toy.state().at(key), first.at(key))) << key << " is the first task's";
}

// Every matrix of a family's network that is not the weight of a layer.
TEST(LayerWeights, AreNotTheTablesOfAnyFamily) {
  std::set<std::string> tables;
  for (const auto& family : tiny_families()) {
    const auto network = tiny_family(family).network;
    for (const auto& item : nn::tensors(*network))
      if (item.tensor.dim() >= 2 && !is_layer_weight(item)) tables.insert(item.name);
  }
  EXPECT_EQ(tables, (std::set<std::string>{
                        "cls_token", "decoder.position.weight", "decoder.relative.weight",
                        "embed.weight", "encoder.position.weight", "encoder.relative.weight",
                        "image.cls_token", "image.pos_embed", "pos_embed", "text.embed.weight",
                        "text.position.weight", "text.relative.weight", "text.type.weight"}));
}

TEST(Piggyback, MasksLayersAlone) {
  ToyLearning toy("piggyback", "", {.epochs = 1, .batch_size = 8}, kTold);
  toy.begin();
  int64_t masks = 0;
  for (const auto& [key, tensor] : toy.state()) masks += key.starts_with("values.");
  EXPECT_EQ(masks, 9);
}

}  // namespace
}  // namespace patina

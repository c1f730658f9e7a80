// ELLE: growth keeps what the network computes, and the network before it teaches.
#include <gtest/gtest.h>

#include <cmath>

#include "patina/learn/adapted.h"
#include "patina/models/answer_scores.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"
#include "tests/support/toy_rounds.h"

namespace patina {
namespace {

using Course = RoundCourse;

// Heads of keys with their queries, hidden units, and blocks: the words' scores stay.
TEST(Elle, GrowsWithoutChangingWhatItComputes) {
  for (const std::string family : {"llama", "gpt2", "gemma", "qwen2"}) {
    SCOPED_TRACE(family);
    Course course("elle", {"noise=0", "recovery_epochs=0"}, steps_of_adamw(), toy_decoder(family));
    course.learn();
    Backbone& network = *course.network;
    const int64_t heads = network.block().heads, hidden = network.block().hidden;
    const Input input = course.batch().input;
    NoGrad no_grad;
    const Tensor before = network.word_scores(network.tokens(input));
    course.begin();
    EXPECT_EQ(network.layers(), 3);
    EXPECT_EQ(network.block().heads, family == "gpt2" ? heads + 1 : heads + 2);
    EXPECT_EQ(network.block().hidden, family == "gpt2" ? hidden + 10 : hidden + 20);
    EXPECT_LT(relative_error(network.word_scores(network.tokens(input)), before), 1e-5);
  }
}

TEST(Elle, BreaksTheSymmetryOfCopies) {
  for (const bool noisy : {false, true}) {
    Course course("elle", {noisy ? "noise=0.01" : "noise=0", "recovery_epochs=0", "add_blocks=0"});
    course.learn();
    course.begin();
    const Tensor rows = weight_of(*course.network, "text.blocks.0.mlp.fc1.weight");  // gate, up
    const Tensor old = rows.slice(0, 0, 40), fresh = rows.slice(0, 40, 60);
    const Tensor distances =
        (fresh.unsqueeze(1) - old.unsqueeze(0)).square().sum(2).sqrt().amin(1);  // to the original
    // Of 24 numbers with that deviation the root of the mean square is it, too.
    const double mean = distances.mean().item<double>() / std::sqrt(24.0);
    EXPECT_NEAR(mean, noisy ? 0.01 : 0, noisy ? 0.002 : 1e-9);
  }
}

// Loss of the batch, and KL(before, now) over the words of the one text that is kept.
TEST(Elle, IsTaughtByTheNetworkBefore) {
  Course course("elle", {"noise=0", "recovery_epochs=0", "distillation=2", "memory_per_task=1"});
  course.learn();
  const auto before = course.network->clone();
  Loader first(*course.task->train, course.rig.test_feed(), course.rig.pool(), 1);
  std::vector<Batch> texts;
  while (auto one = first.next()) texts.push_back(std::move(*one));
  course.begin();
  NoGrad no_grad;
  for (auto& item : nn::tensors(*course.network))
    if (item.name.find("norm") == std::string::npos) item.tensor.detach().mul_(1.05);
  const Batch batch = course.batch();
  const auto scores = [](const Backbone& network, const Batch& of) {
    return answer_scores(network, of.input, nn::Adaptations{});
  };
  const double own = answer_losses(scores(*course.network, batch)).sum().item<double>() / 10;
  const double taught = course.learner().loss(batch, Step{.tokens = 10}).item<double>() - own;
  double nearest = 1e9;
  for (const Batch& text : texts) {
    const Tensor p = at::log_softmax(scores(*before, text).scores, -1);
    const Tensor q = at::log_softmax(scores(*course.network, text).scores, -1);
    const double divergence = (p.exp() * (p - q)).sum(1).mean().item<double>();
    EXPECT_GT(divergence, 1e-4);
    nearest = std::min(nearest, std::abs(2 * divergence - taught));
  }
  EXPECT_LT(nearest, 1e-5);
  EXPECT_NEAR(course.learner().loss(batch, Step{.tokens = 10, .part = 1}).item<double>(), own,
              1e-5);
}

}  // namespace
}  // namespace patina

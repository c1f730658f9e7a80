// LLaMA Pro: a network with new blocks computes the same bits, and only these learn.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/errors.h"
#include "tests/support/toy_rounds.h"

namespace patina {
namespace {

using Course = RoundCourse;

std::vector<std::string> inserted(const Backbone& network) {
  std::vector<std::string> names;
  for (const int64_t block : network.inserted_blocks())
    names.push_back(fmt::format("text.blocks.{}.", block));
  return names;
}

TEST(LlamaPro, BeginsAsTheModelAndLeavesItsBitsAlone) {
  for (const std::string family : {"llama", "gpt2", "gemma"})
    for (const std::string every : {"1", "4"}) {
      SCOPED_TRACE(family + " " + every);
      const auto before = toy_decoder(family);
      Course course("llama_pro", {"every=" + every}, steps_of_adamw(), toy_decoder(family));
      Backbone& network = *course.network;
      EXPECT_EQ(network.layers(), every == "1" ? 4 : 3);
      EXPECT_EQ(network.inserted_blocks(),
                every == "1" ? (std::vector<int64_t>{1, 3}) : std::vector<int64_t>{2});
      course.begin();
      const Input input = course.batch().input;
      {
        NoGrad no_grad;
        EXPECT_TRUE(at::equal(network.word_scores(network.tokens(input)),
                              before->word_scores(before->tokens(input))));
      }
      // The output projections of a new block get gradients at once, what is in front of them none.
      course.learner().loss(course.batch(), {.tokens = 9}).backward();
      for (const auto& item : nn::tensors(network)) {
        const bool fresh = std::ranges::any_of(
            inserted(network), [&](const auto& name) { return item.name.starts_with(name); });
        EXPECT_EQ(item.tensor.requires_grad(), fresh) << item.name;
        if (!fresh) continue;
        const double size = item.tensor.grad().abs().max().item<double>();
        const bool last = item.name.find("attn.proj") != std::string::npos ||
                          item.name.find("mlp.fc2") != std::string::npos;
        if (family != "gemma") {
          EXPECT_EQ(size > 0, last) << item.name;
        }
      }
      course.rig.learn(*course.task);
      // The model's own blocks, in order.
      std::vector<nn::NamedTensor> old;
      for (const auto& item : nn::tensors(network))
        if (!item.tensor.requires_grad()) old.push_back(item);
      expect_equal(weights_of(old), weights_of(*before));
      NoGrad no_grad;
      EXPECT_FALSE(at::equal(network.tokens(input), before->tokens(input)));
    }
}

TEST(LlamaPro, IsRefusedWhereANewBlockIsNoIdentity) {
  LanguageShape shape = tiny_language("llama");
  shape.text.vocabulary = ByteTokenizer::kSize;
  shape.text.block.post_norm = true;
  auto network = stirred(LanguageModel(shape))->clone();
  network->set_tokenizer(std::make_shared<ByteTokenizer>());
  EXPECT_TRUE(
      contains(error_of(ErrorKind::recipe,
                        [&] { Course("llama_pro", {}, steps_of_adamw(), std::move(network)); }),
               "normalise after each sum"));
  shape.text.block.post_norm = false;
  shape.text.depth = 6;
  network = stirred(LanguageModel(shape))->clone();
  network->set_tokenizer(std::make_shared<ByteTokenizer>());
  EXPECT_TRUE(
      contains(error_of(ErrorKind::recipe,
                        [&] { Course("llama_pro", {}, steps_of_adamw(), std::move(network)); }),
               "learner.every = 4 does not divide the model's 6 blocks: use one of 1, 2, 3, 6"));
}

// A copy of an expanded network is not expanded again.
TEST(LlamaPro, TakesUpANetworkThatWasExpanded) {
  Course first("llama_pro");
  Course second("llama_pro", {}, steps_of_adamw(), first.network->clone());
  EXPECT_EQ(second.network->layers(), 3);
  EXPECT_TRUE(contains(
      error_of(ErrorKind::recipe,
               [&] { Course("llama_pro", {"every=1"}, steps_of_adamw(), first.network->clone()); }),
      "was expanded by 1 blocks"));
}

}  // namespace
}  // namespace patina

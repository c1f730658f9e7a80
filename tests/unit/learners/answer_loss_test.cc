// Weights of an answer's tokens, computed by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "patina/learners/instruction/answer_loss.h"
#include "patina/session/feed.h"
#include "tests/support/answer_course.h"

namespace patina {
namespace {

using Course = AnswerCourse;

// Two scores of ln 3 and 22 of 0: p of the largest is 3/28; the 20 largest are the two and 18
// others, so that their softmax has twice 3/24 and 18 times 1/24.
TEST(TokenWeights, AreThePapers) {
  Tensor scores = at::zeros({2, 24});
  scores[0][3] = scores[0][7] = scores[1][3] = scores[1][7] = std::log(3.0);
  const AnswerScores answers{.scores = scores, .word = tensor_of(std::vector<int64_t>{7, 0})};
  EXPECT_FALSE(token_weights({.loss = "mean"}, answers).defined());
  for (const char* loss : {"dft", "asft"}) {
    const auto w = numbers(token_weights({.loss = loss}, answers));
    EXPECT_NEAR(w[0], 3.0 / 28, 1e-6);
    EXPECT_NEAR(w[1], 1.0 / 28, 1e-6);
  }
  const double entropy = -2 * 0.125 * std::log(0.125) - 0.75 * std::log(1.0 / 24);
  const auto once = numbers(token_weights({.loss = "eaft"}, answers)),
             squared = numbers(token_weights({.loss = "eaft", .eaft_power = 2}, answers));
  for (const double w : once) EXPECT_NEAR(w, entropy / 3, 1e-6);  // not of the answer's word
  for (const double w : squared) EXPECT_NEAR(w, entropy * entropy / 9, 1e-6);
  EXPECT_NEAR(numbers(token_weights({.loss = "eaft"}, {.scores = at::zeros({1, 50})}))[0],
              std::log(20.0) / 3, 1e-6);
  scores.requires_grad_();
  EXPECT_FALSE(token_weights({.loss = "dft"}, answers).requires_grad());
}

class TokenLosses : public testing::TestWithParam<std::string> {};

// Σ w_t l_t / tokens, of which accumulated parts and packed rows give the same, with the same
// gradient.
TEST_P(TokenLosses, AreSumsOverTheTokensOfTheWholeBatch) {
  Course course("sft", {"loss=\"" + GetParam() + "\"", "asft_weight=0.5"});
  course.learn();
  Learner& learner = course.learner();
  const Batch batch =
      *Loader(*course.task->train, course.rig.train_feed(), course.rig.pool(), 8).next();
  const auto feed = make_answer_feed(*course.network, {}, AnswerRows::whole);
  std::vector<AnswerTokens> samples;
  for (int64_t i = 0; i < 8; ++i) samples.push_back(feed->tokens(ToyAnswers(0, 8), i));
  Batch packed;
  packed.input = answer_rows(samples, *course.network->tokenizer(), /*packed=*/true, 60);
  ASSERT_LT(packed.input.size(), 4);
  const int64_t tokens = batch.input.loss.sum().item<int64_t>();
  const auto gradients = [&](const std::vector<Batch>& parts) {
    std::vector<Tensor> leaves = learner.trainable().front().tensors, grads;
    for (Tensor& leaf : leaves) leaf.mutable_grad() = Tensor();
    double loss = 0;
    for (const Batch& part : parts) {
      const Tensor value = learner.loss(part, {.tokens = tokens});
      value.backward();
      loss += value.item<double>();
    }
    for (const Tensor& leaf : leaves) grads.push_back(leaf.grad().flatten());
    return std::pair(loss, at::cat(grads));
  };
  const auto [loss, gradient] = gradients({batch});
  for (const auto& parts : {std::vector{batch.rows(0, 1), batch.rows(1, 8)}, std::vector{packed}}) {
    const auto [other, same] = gradients(parts);
    EXPECT_NEAR(other, loss, 1e-5);
    EXPECT_LT(furthest(same, gradient), 1e-4 * gradient.abs().max().item<double>());
  }
  // The sum, token by token.
  NoGrad no_grad;
  const auto answers =
      answer_scores(*course.network, batch.input, learner.generator()->adaptations(batch.input));
  const Tensor base = answer_scores(*course.network, batch.input, {}).scores;
  double sum = 0;
  for (int64_t t = 0; t < tokens; ++t) {
    const auto p = softmax(numbers(answers.scores[t]));
    const double own = p[size_t(answers.word[t].item<int64_t>())];
    if (GetParam() == "eaft") {
      auto sorted = numbers(answers.scores[t]);
      std::ranges::sort(sorted, std::greater<>());
      sorted.resize(20);
      double entropy = 0;
      for (const double q : softmax(sorted)) entropy -= q * std::log(q);
      sum += entropy / 3 * -std::log(own);
    } else {
      sum += GetParam() == "mean" ? -std::log(own) : own * -std::log(own);
    }
    if (GetParam() == "asft") sum += 0.5 * divergence(softmax(numbers(base[t])), p);
  }
  EXPECT_NEAR(loss, sum / double(tokens), 1e-5);
}
INSTANTIATE_TEST_SUITE_P(, TokenLosses, testing::Values("mean", "dft", "asft", "eaft"),
                         [](const auto& info) { return info.param; });

// With all weights learning, the base is a copy of the network as it was.
TEST(Asft, IsHeldNearTheBaseInFullTuningToo) {
  Course course("asft", {"tune=\"full\"", "asft_weight=2"}), plain("dft", {"tune=\"full\""});
  course.learn();
  plain.learn();
  const Batch batch =
      *Loader(*course.task->train, course.rig.train_feed(), course.rig.pool(), 8).next();
  NoGrad no_grad;
  const auto now = answer_scores(*course.network, batch.input, {});
  const Tensor base = answer_scores(*toy_decoder(), batch.input, {}).scores,
               weights = token_weights({.loss = "dft"}, now);
  double sum = (weights * answer_losses(now)).sum().item<double>(), apart = 0;
  for (int64_t t = 0; t < now.word.size(0); ++t)
    apart += divergence(softmax(numbers(base[t])), softmax(numbers(now.scores[t])));
  EXPECT_GT(apart, 0.01);
  const double tokens = double(now.word.size(0));
  EXPECT_NEAR(course.learner().loss(batch, {.tokens = now.word.size(0)}).item<double>(),
              (sum + 2 * apart) / tokens, 1e-5);
  // It ends nearer to the base than without.
  const auto without = answer_scores(*plain.network, batch.input, {}).scores;
  double apart_without = 0;
  for (int64_t t = 0; t < now.word.size(0); ++t)
    apart_without += divergence(softmax(numbers(base[t])), softmax(numbers(without[t])));
  EXPECT_LT(apart, apart_without);
}

}  // namespace
}  // namespace patina

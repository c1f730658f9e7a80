// What a session gives of an answer: where it ends, and the log-probabilities of its tokens.
#include <gtest/gtest.h>

#include "patina/ops.h"
#include "patina/session/sources.h"
#include "tests/support/answering_session.h"

namespace patina {
namespace {

// A stop is cut off and never said, whatever tokens it is in; others are answered as before.
TEST(AnsweringSession, EndsAnAnswerBeforeAStop) {
  auto session = answering("sft");
  session.learn(lesson(0));
  const ToyAnswers asked(0, 4);
  AnswerOptions options{.decoding = {.max_tokens = 8, .temperature = 2, .seed = 5}};
  const auto free = session.answer(asked, options);
  ASSERT_GE(free[0].text.size(), 5u);
  const std::string stop = free[0].text.substr(2, 2);
  options.output.stop = {"never said", stop};
  std::vector<std::string> pieces(free.size());
  options.said = [&](int64_t prompt, const std::string& piece) { pieces[size_t(prompt)] += piece; };
  const auto all = session.answer(asked, options);
  for (size_t i = 0; i < free.size(); ++i) {
    const size_t at = free[i].text.find(stop);
    EXPECT_EQ(all[i].text, free[i].text.substr(0, at));
    EXPECT_EQ(pieces[i], all[i].text);
    EXPECT_EQ(all[i].stopped_by, at == std::string::npos ? "" : stop);
    EXPECT_EQ(all[i].ended, at != std::string::npos || free[i].ended);
    if (at != std::string::npos) {
      EXPECT_EQ(all[i].tokens, int64_t(at)) << "a token a byte";
    }
  }
  EXPECT_EQ(all[0].stopped_by, stop);
}

// Against the words' scores of the network: of drawn tokens, too, and not changed by how they are
// drawn.
TEST(AnsweringSession, TellsTheLogprobsOfItsTokens) {
  const auto session = answering("sft");  // nothing is learned: the network itself answers
  const auto network = toy_decoder();
  const std::vector<std::string> prompts_of_any_length = {"ab", "a longer one"};
  std::vector<Exchange> asked;
  for (const auto& text : prompts_of_any_length)
    asked.push_back({.turns = {{"user", text}}, .input = "", .answers = {}});
  AnswerOptions options{.decoding = {.max_tokens = 5,
                                     .temperature = 1.5,
                                     .top_k = 50,
                                     .repetition_penalty = 1.3,
                                     .seed = 3},
                        .output = {.logprobs = true, .top_logprobs = 4, .echo = true},
                        .form = PromptForm::continued};
  const auto all = session.answer(*prompts(asked), options);
  for (size_t i = 0; i < asked.size(); ++i) {
    const Answer& one = all[i];
    std::vector<int64_t> ids = {ByteTokenizer::kBegin};
    for (const int64_t id : ByteTokenizer().encode(prompts_of_any_length[i])) ids.push_back(id);
    ASSERT_EQ(one.prompt_tokens, int64_t(ids.size()));
    ASSERT_EQ(one.prompt_logprobs.size(), ids.size() - 1);
    ASSERT_EQ(int64_t(one.logprobs.size()), one.tokens);
    std::string text;
    for (const auto& token : one.logprobs) {
      ids.push_back(token.id);
      text += token.text;
    }
    EXPECT_EQ(text, one.text);
    auto told = one.prompt_logprobs;
    told.insert(told.end(), one.logprobs.begin(), one.logprobs.end());
    NoGrad no_grad;
    const Tensor p = at::log_softmax(
        network->word_scores(network->tokens({tensor_of(ids).unsqueeze(0)})), -1, at::kDouble)[0];
    for (size_t t = 1; t < ids.size(); ++t) {
      EXPECT_EQ(told[t - 1].id, ids[t]);
      EXPECT_NEAR(told[t - 1].logprob, p[int64_t(t) - 1][ids[t]].item<double>(), 1e-4);
      ASSERT_EQ(told[t - 1].top.size(), 4u);
      EXPECT_NEAR(told[t - 1].top[0].logprob, p[int64_t(t) - 1].max().item<double>(), 1e-4);
    }
  }
  // Unasked, none are told.
  EXPECT_TRUE(session.answer("ab", few()).logprobs.empty());
  EXPECT_TRUE(session.answer("ab", few()).prompt_logprobs.empty());
}

}  // namespace
}  // namespace patina

// Answers of an encoder-decoder: its encoder reads the prompt, its decoder writes the answer. And
// LFPT5 on it, as its authors train it.
#include <gtest/gtest.h>

#include "patina/data/answer_feed.h"
#include "patina/data/prompt.h"
#include "patina/learners/instruction/whole_samples.h"
#include "patina/learners/instruction/written_samples.h"
#include "patina/models/answer_text.h"
#include "patina/session/sources.h"
#include "tests/support/answer_course.h"
#include "tests/support/answering_session.h"
#include "tests/support/errors.h"

namespace patina {
namespace {

using Ids = std::vector<int64_t>;

Ids bytes(const std::string& text) {
  return ByteTokenizer().encode(text);
}

Ids joined(std::vector<Ids> parts) {
  Ids all;
  for (const Ids& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

constexpr int64_t kEnd = ByteTokenizer::kEnd;

// -log p of each word of an answer, by the decoder's own pass over one text without padding.
std::vector<double> losses_by_hand(const Backbone& network, const Ids& prompt, const Ids& answer,
                                   const nn::Adaptations& adaptations = {}) {
  NoGrad no_grad;
  Ids read = {0};  // the decoder begins with the first id
  read.insert(read.end(), answer.begin(), answer.end() - 1);
  const Tensor tokens = network.decoded({tensor_of(read).unsqueeze(0)},
                                        {tensor_of(prompt).unsqueeze(0)}, adaptations);
  const Tensor p = at::log_softmax(network.word_scores(tokens), -1, at::kDouble)[0];
  std::vector<double> losses;
  for (size_t t = 0; t < answer.size(); ++t)
    losses.push_back(-p[int64_t(t)][answer[t]].item<double>());
  return losses;
}

AnswerTokens sample(const Ids& prompt, const Ids& answer) {
  AnswerTokens tokens{.ids = joined({prompt, answer})};
  tokens.loss.assign(prompt.size(), 0);
  tokens.loss.insert(tokens.loss.end(), answer.size(), 1);
  return tokens;
}

TEST(EncoderDecoderAnswers, AreScoredByTheDecoder) {
  const auto network = toy_t5();
  const std::vector<std::pair<Ids, Ids>> texts = {
      {joined({bytes("say 1"), {kEnd}}), joined({bytes("ab"), {kEnd}})},
      {joined({bytes("x"), {kEnd}}), joined({bytes("longer"), {kEnd}})},
      {joined({bytes("and a long prompt"), {kEnd}}), {kEnd}}};
  std::vector<AnswerTokens> rows;
  std::vector<double> expected;
  for (const auto& [prompt, answer] : texts) {
    rows.push_back(sample(prompt, answer));
    for (const double loss : losses_by_hand(*network, prompt, answer)) expected.push_back(loss);
  }
  const Input input = answer_rows(rows, *network->tokenizer(), /*packed=*/false);
  NoGrad no_grad;
  const auto scores = answer_scores(*network, input, {});
  EXPECT_EQ(items_of(scores.row), (Ids{0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 2}));
  const Tensor losses = answer_losses(scores), parts = answer_losses(*network, input, {}, 1);
  ASSERT_EQ(losses.size(0), int64_t(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(losses[int64_t(i)].item<double>(), expected[i], 1e-5) << i;
    EXPECT_NEAR(parts[int64_t(i)].item<double>(), expected[i], 1e-5) << i;
  }
  AnswerTokens on = sample(texts[0].first, texts[0].second);
  on.ids.push_back(70);
  on.loss.push_back(0);
  EXPECT_TRUE(contains(
      error_of(
          ErrorKind::data,
          [&] { answer_scores(*network, answer_rows({{on}}, *network->tokenizer(), false), {}); }),
      "goes on behind its answer"));
}

TEST(EncoderDecoderAnswers, HavePromptsThatEnd) {
  const EndedBytes tokenizer;
  const auto plain = std::make_shared<PlainPrompt>(TextOptions().prompt);
  const AnswerFeed feed(tokenizer, plain, 0, AnswerRows::whole, /*encoded=*/true);
  const ToyAnswers source(0, 4);
  const AnswerTokens tokens = feed.tokens(source, 1);
  const auto first = std::find(tokens.loss.begin(), tokens.loss.end(), 1) - tokens.loss.begin();
  EXPECT_EQ(tokens.ids[size_t(first) - 1], kEnd);
  EXPECT_EQ(Ids(tokens.ids.begin() + first, tokens.ids.end()),
            joined({bytes(source.exchange(1).answers[0]), {kEnd}}));
  EXPECT_EQ(std::count(tokens.loss.begin() + first, tokens.loss.end(), 0), 0);
  const AnswerFeed asks(tokenizer, plain, 0, AnswerRows::prompts, true);
  EXPECT_EQ(asks.tokens(source, 1).ids, Ids(tokens.ids.begin(), tokens.ids.begin() + first))
      << "what is asked is what was learned";
  // The front is cut, and the end stays.
  const AnswerFeed cut(tokenizer, plain, 5, AnswerRows::prompts, true);
  EXPECT_EQ(cut.tokens(source, 1).ids.size(), 5u);
  EXPECT_EQ(cut.tokens(source, 1).ids.back(), kEnd);
  EXPECT_TRUE(contains(error_of(ErrorKind::data, [&] { feed.tokens(ToyPassages(0, 1), 0); }),
                       "plain text has no prompt"));
  EXPECT_TRUE(contains(
      error_of(ErrorKind::recipe,
               [&] { AnswerFeed(tokenizer, plain, 0, AnswerRows::packed, /*encoded=*/true); }),
      "training.pack = false"));
}

TEST(EncoderDecoderAnswers, OfWholeSamplesBeginWithTheMarkerInTheEncoder) {
  const EndedBytes tokenizer;
  const WholeSamples format(tokenizer, "!", 0, /*encoded=*/true);
  const WholeSample one{.prompt = bytes("ask"), .answer = bytes("yes")};
  EXPECT_EQ(format.begun("[G]").ids, joined({bytes("[G]"), {kEnd}}));
  EXPECT_EQ(format.begun("[G]").counted(), 0);
  const AnswerTokens whole = format.whole("[G]", one);
  EXPECT_EQ(whole.ids, joined({bytes("[G]"), {kEnd}, bytes("ask!yes"), {kEnd}}));
  EXPECT_EQ(whole.loss, (Ids{0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1}));
  const AnswerTokens answer = format.answer_of(one);
  EXPECT_EQ(answer.ids, joined({bytes("ask"), {kEnd}, bytes("yes"), {kEnd}}));
  EXPECT_EQ(answer.loss, (Ids{0, 0, 0, 0, 1, 1, 1, 1}));
  const auto again = format.samples_of(answer_rows({{answer}}, tokenizer, /*packed=*/false));
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].prompt, one.prompt);
  EXPECT_EQ(again[0].answer, one.answer);
}

// L = L_answers + λ L_whole in the first task, each loss by a pass of its own.
TEST(Lfpt5OnT5, LearnsAnswersAndWholeSamples) {
  AnswerCourse course("lfpt5", {"tokens=3", "lm_weight=0.5"}, toy_t5());
  course.begin();
  const Batch batch = course.batch(4);
  course.learner().after_step(batch, {});  // before a step it answers without the prompt
  const auto adaptations = course.learner().generator()->adaptations(batch.input);
  const WholeSamples format(*course.network->tokenizer(), "[ANS]", 0, /*encoded=*/true);
  double answers = 0, whole = 0;
  int64_t of_answers = 0, of_whole = 0;
  for (const auto& one : format.samples_of(batch.input)) {
    for (const double loss : losses_by_hand(*course.network, joined({one.prompt, {kEnd}}),
                                            joined({one.answer, {kEnd}}), adaptations))
      answers += loss, ++of_answers;
    for (const double loss :
         losses_by_hand(*course.network, joined({bytes("[GEN]"), {kEnd}}),
                        joined({one.prompt, bytes("[ANS]"), one.answer, {kEnd}}), adaptations))
      whole += loss, ++of_whole;
  }
  NoGrad no_grad;
  EXPECT_NEAR(course.learner().loss(batch, {.tokens = of_answers}).item<double>(),
              answers / double(of_answers) + 0.5 * whole / double(of_whole), 1e-4);
}

// Through a session: it learns, writes samples of earlier tasks, is saved, and goes on the same.
TEST(Lfpt5OnT5, LearnsInASession) {
  const Settings options = {{"tokens", 4}, {"written_per_task", 4}, {"max_tokens", 12}};
  auto session = answering("lfpt5", options, toy_t5());
  const double before = loss_of(session, 0);
  session.learn(lesson(0));
  EXPECT_LT(loss_of(session, 0), before);
  const fs::path path = scratch_folder("lfpt5-on-t5") / "a.patina";
  session.save(path);
  auto again = opened(path, toy_t5());
  session.learn(lesson(1));
  again.learn(lesson(1));
  EXPECT_EQ(answers_of(again, 0), answers_of(session, 0));
  EXPECT_EQ(loss_of(again, 1), loss_of(session, 1));
  // An answer's log-probabilities are the decoder's; a prompt has none.
  AnswerOptions asked{.decoding = {.max_tokens = 4}, .output = {.logprobs = true}};
  const Answer one = session.answer("say 1", asked);
  std::string text;
  for (const auto& token : one.logprobs) text += token.text;
  EXPECT_EQ(text, one.text);
  EXPECT_EQ(one.prompt_tokens, int64_t(std::string("say 1\n").size()) + 1);
  asked.output.echo = true;
  EXPECT_TRUE(contains(error_of([&] { session.answer("say 1", asked); }), "echo is for decoders"));
  EXPECT_TRUE(contains(error_of([&] { session.learn(std::make_shared<ToyPassages>(0, 4)); }),
                       "plain text has no prompt"));
  EXPECT_TRUE(contains(error_of([&] { answering("sft", {}, toy_t5()); }), "it needs a decoder"));
}

}  // namespace
}  // namespace patina

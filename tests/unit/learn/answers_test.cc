// Samples with texts as answers: their tokens, what of them carries loss, packing, accumulation.
#include "patina/data/answer_feed.h"

#include <gtest/gtest.h>

#include "patina/learn/adapted.h"
#include "patina/learners/registry.h"
#include "patina/models/answer_scores.h"
#include "patina/ops.h"
#include "patina/optim/gradients.h"
#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/errors.h"
#include "tests/support/toy_answers.h"

namespace patina {
namespace {

using Ids = std::vector<int64_t>;

// A source of one exchange.
class One : public ToyAnswers {
 public:
  explicit One(Exchange exchange) : ToyAnswers(0, 1), exchange_(std::move(exchange)) {}
  Exchange exchange(int64_t) const override { return exchange_; }
  std::string origin(int64_t) const override { return "one.jsonl:7"; }

 private:
  Exchange exchange_;
};

Exchange asked(const std::string& question, const std::string& answer) {
  return {.turns = {{"user", question}}, .answers = {answer}};
}

AnswerTokens tokens_of(const Exchange& exchange, int64_t max_length = 0,
                       AnswerRows rows = AnswerRows::whole,
                       const std::string& prompt = "{instruction}\n") {
  static const ByteTokenizer tokenizer;
  const AnswerFeed feed(tokenizer, std::make_shared<PlainPrompt>(prompt), max_length, rows);
  return feed.tokens(One(exchange), 0);
}

std::string text_of(const AnswerTokens& tokens) {
  return ByteTokenizer().decode(tokens.ids, /*skip_special=*/false);
}
// The tokens that carry loss.
std::string learned_of(const AnswerTokens& tokens) {
  AnswerTokens some;
  for (size_t i = 0; i < tokens.ids.size(); ++i)
    if (tokens.loss[i]) some.ids.push_back(tokens.ids[i]);
  return text_of(some);
}

TEST(AnswerFeed, MarksTheAnswerAndItsEnd) {
  const auto tokens = tokens_of(asked("Add.", "3"));
  EXPECT_EQ(text_of(tokens), "<s>Add.\n3</s>");
  EXPECT_EQ(tokens.loss, (Ids{0, 0, 0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(tokens.cut, 0);
  EXPECT_EQ(text_of(tokens_of(asked("Add.", "3"), 0, AnswerRows::prompts)), "<s>Add.\n");
}

// The tokenizer's end-of-text token in a prompt is no answer, and an answer's is no padding.
TEST(AnswerFeed, KnowsTheMaskFromLengthsNotFromIds) {
  const ByteTokenizer tokenizer;
  const AnswerFeed feed(tokenizer, std::make_shared<PlainPrompt>("{instruction}"), 0);
  const auto sample = feed.tokens(One(asked("ab", "c")), 0);
  const Input input =
      answer_rows({{sample, feed.tokens(One(asked("a", "b")), 0)}}, tokenizer, false);
  EXPECT_EQ(items_of(input.loss[1]), (Ids{0, 0, 1, 1, 0}));
  EXPECT_EQ(items_of(input.mask[1]), (Ids{1, 1, 1, 1, 0}));
  EXPECT_FALSE(input.positions.defined());
}

TEST(AnswerFeed, LearnsEveryAnswerOfAConversation) {
  const Exchange exchange{
      .turns = {{"system", "S"}, {"user", "A"}, {"assistant", "a"}, {"user", "B"}},
      .answers = {"b"}};
  const auto tokens = tokens_of(exchange);
  EXPECT_EQ(text_of(tokens), "<s>S\nA\na</s>B\nb</s>");
  EXPECT_EQ(learned_of(tokens), "a</s>b</s>");
}

TEST(AnswerFeed, CutsThePromptInFrontAndNeverAllOfTheAnswer) {
  const auto shorter =
      tokens_of(asked("0123456789", "xyz"), 10, AnswerRows::whole, "{instruction}");
  EXPECT_EQ(text_of(shorter), "<s>56789xyz</s>");
  EXPECT_EQ(shorter.cut, 5);
  // A quarter of the room is the prompt's; then the answer loses its end.
  const auto both =
      tokens_of(asked("0123456789", "abcdefghijkl"), 9, AnswerRows::whole, "{instruction}");
  EXPECT_EQ(text_of(both), "<s>89abcdef");
  EXPECT_EQ(learned_of(both), "abcdef");
  EXPECT_EQ(both.cut, 15);
  const auto prompt = tokens_of(asked("0123456789", "x"), 5, AnswerRows::prompts, "{instruction}");
  EXPECT_EQ(text_of(prompt), "<s>6789");
}

// One exchange about an image of 2 x 2 pixels, white but for the first.
class OneAboutAnImage : public One {
 public:
  using One::One;
  bool has_images() const override { return true; }
  Image image(int64_t) const override {
    Image image(2, 2);
    std::ranges::fill(image.pixels, uint8_t{255});
    std::fill_n(image.pixels.begin(), 3, uint8_t{0});
    return image;
  }
};

AnswerImages two_tokens() {
  return {.token = SeeingTokenizer::kImage,
          .count = 2,
          .transform = {.size = 2, .normalize = "unit", .interpolation = "bicubic"}};
}

AnswerTokens seen_tokens_of(const Exchange& exchange, int64_t max_length = 0,
                            AnswerRows rows = AnswerRows::whole) {
  static const SeeingTokenizer tokenizer;
  const AnswerFeed feed(tokenizer, std::make_shared<PlainPrompt>("U: {instruction} A:"), max_length,
                        rows, /*encoded=*/false, two_tokens());
  return feed.tokens(OneAboutAnImage(exchange), 0);
}

std::string seen_text_of(const AnswerTokens& tokens) {
  return SeeingTokenizer().decode(tokens.ids, /*skip_special=*/false);
}

TEST(AnswerFeed, PutsAnImagesTokensWhereItIsNamed) {
  const auto before = seen_tokens_of(asked("What?", "x"));
  EXPECT_EQ(seen_text_of(before), "<s>U: <image><image>\nWhat? A:x</s>");
  EXPECT_EQ(before.counted(), 2);
  EXPECT_EQ(seen_text_of(seen_tokens_of(asked("Is <image> it?", "x"))),
            "<s>U: Is <image><image> it? A:x</s>");
  // Of a conversation, in front of all of it.
  const Exchange talk{.turns = {{"user", "1"}, {"assistant", "a"}, {"user", "2"}},
                      .answers = {"b"}};
  EXPECT_EQ(seen_text_of(seen_tokens_of(talk)), "<s>U: <image><image>\n1 A:a</s>U: 2 A:b</s>");
  EXPECT_TRUE(contains(error_of([&] { seen_tokens_of(asked("<image> or <image>?", "x")); }),
                       "one.jsonl:7: the text names 2 images with <image>, and a sample has one"));
}

TEST(AnswerFeed, CutsBehindTheImage) {
  // The first 6 tokens stay, and of the 14 behind the image those in front are cut.
  const auto cut = seen_tokens_of(asked("0123456789", "xy"), 17);
  EXPECT_EQ(seen_text_of(cut), "<s>U: <image><image>56789 A:xy</s>");
  EXPECT_EQ(cut.cut, 6);
  EXPECT_TRUE(contains(error_of([&] { seen_tokens_of(asked("0", "x"), 6); }),
                       "text.max_length is 6, and an image alone has 2 tokens"));
}

TEST(AnswerFeed, GivesTheImagesWithTheirTexts) {
  const SeeingTokenizer tokenizer;
  const auto prompt = std::make_shared<PlainPrompt>("{instruction}");
  const AnswerFeed feed(tokenizer, prompt, 0, AnswerRows::whole, false, two_tokens());
  const OneAboutAnImage source(asked("What?", "x"));
  const auto making = feed.begin(source, 2);
  for (const int64_t row : {0, 1}) making->prepare(row, 0, Random());
  const Input input = making->join();
  EXPECT_EQ(input.images.sizes().vec(), (Shape{2, 3, 2, 2}));
  EXPECT_EQ(input.images[1][2][0][0].item<float>(), 0);
  EXPECT_EQ(input.images[1][2][1][1].item<float>(), 1);
  const One text(asked("What?", "x"));
  const auto alone = feed.begin(text, 1);
  alone->prepare(0, 0, Random());
  EXPECT_FALSE(alone->join().images.defined());
  // A packed row, a network without eyes, and a tokenizer without the token are refused.
  const AnswerFeed packed(tokenizer, prompt, 0, AnswerRows::packed, false, two_tokens());
  EXPECT_TRUE(contains(error_of([&] { packed.tokens(source, 0); }), "training.pack = false"));
  const AnswerFeed blind(tokenizer, prompt, 0);
  EXPECT_TRUE(contains(error_of([&] { blind.tokens(source, 0); }), "reads texts alone"));
  EXPECT_TRUE(contains(error_of(ErrorKind::model,
                                [&] {
                                  AnswerFeed(ByteTokenizer(), prompt, 0, AnswerRows::whole, false,
                                             two_tokens());
                                }),
                       "does not have the token 259"));
}

// An image is part of what a sample is known by.
TEST(AnswerFeed, AnImageIsPartOfTheFingerprint) {
  const Exchange exchange = asked("What?", "x");
  EXPECT_NE(OneAboutAnImage(exchange).fingerprint(0), One(exchange).fingerprint(0));
}

TEST(AnswerFeed, ModelsAllOfAPlainTextButItsFirstToken) {
  const ByteTokenizer framed, bare(/*framed=*/false);
  const auto plain = std::make_shared<PlainPrompt>("{instruction}");
  const ToyPassages passages(0, 1);
  EXPECT_EQ(learned_of(AnswerFeed(framed, plain, 0).tokens(passages, 0)), "say 0 a");
  EXPECT_EQ(learned_of(AnswerFeed(bare, plain, 0).tokens(passages, 0)), "ay 0 a");
  EXPECT_EQ(learned_of(AnswerFeed(framed, plain, 4).tokens(passages, 0)), "say");
  // A text to be continued keeps its frame and its end.
  const auto asked = AnswerFeed(framed, plain, 4, AnswerRows::prompts).tokens(passages, 0);
  EXPECT_EQ(asked.ids.front(), ByteTokenizer::kBegin);
  EXPECT_EQ(framed.decode(asked.ids, true), "0 a");
  EXPECT_EQ(asked.cut, 4);
}

TEST(AnswerFeed, RefusesASampleWithoutLoss) {
  class Empty : public ToyPassages {
   public:
    using ToyPassages::ToyPassages;
    Text text(int64_t) const override { return {"", ""}; }
    std::string origin(int64_t) const override { return "t.txt:9"; }
  };
  const ByteTokenizer tokenizer;
  const AnswerFeed feed(tokenizer, std::make_shared<PlainPrompt>("{instruction}"), 0);
  EXPECT_EQ(error_of(ErrorKind::data, [&] { feed.tokens(Empty(0, 1), 0); }),
            "t.txt:9: no token carries loss; remove the sample");
}

// Samples of lengths 6, 4 and 3 in rows of 7: the last fits behind the second.
TEST(AnswerRows, PackSamplesInTheFirstRowWithRoom) {
  const ByteTokenizer tokenizer;
  const auto sample = [](int64_t size) {
    AnswerTokens tokens{.ids = Ids(size_t(size), 10 + size), .loss = Ids(size_t(size), 1)};
    tokens.loss[0] = 0;
    return tokens;
  };
  const std::vector<AnswerTokens> samples = {sample(6), sample(4), sample(3)};
  const Input input = answer_rows(samples, tokenizer, /*packed=*/true, 7);
  EXPECT_EQ(items_of(input.data[0]), (Ids{16, 16, 16, 16, 16, 16, 0}));
  EXPECT_EQ(items_of(input.data[1]), (Ids{14, 14, 14, 14, 13, 13, 13}));
  EXPECT_EQ(items_of(input.positions[1]), (Ids{0, 1, 2, 3, 0, 1, 2}));
  EXPECT_EQ(items_of(input.loss[1]), (Ids{0, 1, 1, 1, 0, 1, 1}));
  EXPECT_EQ(items_of(input.mask[0]), (Ids{1, 1, 1, 1, 1, 1, 0}));
}

class Decoders : public testing::TestWithParam<std::string> {
 protected:
  struct Learned {
    std::map<std::string, Tensor> weights;
  };
  Learned learned(const TrainingOptions& training, const std::string& tune) {
    const auto network = toy_decoder(GetParam());
    const ToyAnswers source(1, 8);
    const auto options = bound_options("sft", {"tune=\"" + tune + "\""});
    Rig rig(*network, source, source,
            {.row = find_learner("sft"),
             .learner = options.get(),
             .training = training,
             .grant = {.boundaries = true, .many_passes = true},
             .data_threads = 1});
    const Dataset all = whole(source);
    rig.trainer().learn(rig.learner(), {.train = &all}, rig.grant());
    Archive state;
    rig.learner().state(state);
    Learned result;
    for (const auto& [name, tensor] : state.tensors()) result.weights[name] = tensor;
    return result;
  }
  // One step of plain gradient descent with rate 1 from the same weights, so that the weights'
  // difference is the gradient.
  static TrainingOptions one_step() {
    return {.epochs = 1,
            .batch_size = 8,
            .optimizer = {.optimizer = "sgd", .lr = 1, .momentum = 0, .schedule = "constant"}};
  }
  static void expect_same(const Learned& a, const Learned& b) {
    ASSERT_EQ(a.weights.size(), b.weights.size());
    for (const auto& [name, tensor] : a.weights)
      EXPECT_LT((tensor - b.weights.at(name)).abs().max().item<double>(), 2e-5) << name;
  }
};

TEST_P(Decoders, LearnTheSameFromPackedRows) {
  auto packed = one_step();
  packed.pack = true;
  for (const char* tune : {"lora", "full"})
    expect_same(learned(one_step(), tune), learned(packed, tune));
}

TEST_P(Decoders, LearnTheSameFromEightPartsOfOneSample) {
  for (const bool pack : {false, true}) {
    auto parts = one_step();
    parts.accumulate = 8;
    parts.pack = pack;
    for (const char* tune : {"lora", "full"})
      expect_same(learned(one_step(), tune), learned(parts, tune));
  }
}

// Every token's loss is that of its sample alone.
TEST_P(Decoders, ReadPackedTextsAsIfEachWereAlone) {
  NoGrad no_grad;
  const auto network = toy_decoder(GetParam());
  const ByteTokenizer tokenizer;
  const AnswerFeed feed(tokenizer, std::make_shared<PlainPrompt>("{instruction}\n{input}\n"), 0);
  const ToyAnswers source(2, 6);
  std::vector<AnswerTokens> samples;
  std::vector<Tensor> alone;
  for (int64_t i = 0; i < 6; ++i) {
    samples.push_back(feed.tokens(source, i));
    const Input input = answer_rows({{samples.back()}}, tokenizer, false);
    alone.push_back(answer_losses(answer_scores(*network, input, {})));
  }
  const Input packed = answer_rows(samples, tokenizer, /*packed=*/true, 1000);
  ASSERT_EQ(packed.size(), 1);
  EXPECT_LT((answer_losses(answer_scores(*network, packed, {})) - at::cat(alone))
                .abs()
                .max()
                .item<double>(),
            1e-5);
}

INSTANTIATE_TEST_SUITE_P(, Decoders, testing::Values("llama", "gpt2", "qwen2"),
                         [](const auto& info) { return info.param; });

TEST(AnswerScores, AreTheModelsAtTheTokensBefore) {
  NoGrad no_grad;
  const auto network = toy_decoder();
  Input input(tensor_of(Ids{5, 6, 7, 8}).view({1, 4}), at::ones({1, 4}, at::kLong));
  input.loss = tensor_of(Ids{0, 1, 0, 1}).view({1, 4});
  const auto answers = answer_scores(*network, input, {});
  const Tensor all = network->word_scores(network->tokens(input));  // [1,4,V]
  EXPECT_EQ(items_of(answers.word), (Ids{6, 8}));
  EXPECT_EQ(items_of(answers.row), (Ids{0, 0}));
  EXPECT_LT((answers.scores - at::stack({all[0][0], all[0][2]})).abs().max().item<double>(), 1e-5);
}

// In parts of 7 of the 15 tokens, and with gradients that differ from token to token.
TEST_P(Decoders, HaveTheSameLossesWithFewScoresAtATime) {
  const auto network = toy_decoder(GetParam());
  const int64_t words = network->text_input()->vocabulary;
  Input input(at::arange(20).view({2, 10}).remainder(words));
  input.loss = at::ones_like(input.data);
  input.loss.select(1, 0).zero_();
  input.loss[1].slice(0, 7).zero_();
  Random random = Seeds(5)("lora");
  const auto lora = make_lora({.rank = 2, .alpha = 4, .parts = "qkv"}, network->tower(), random);
  for (auto& item : nn::tensors(*lora)) {
    NoGrad no_grad;
    nn::init_normal(item.tensor, random, 0, 0.2);
  }
  const auto whole = answer_losses(answer_scores(*network, input, {lora.get()}));
  const auto parts = answer_losses(*network, input, {lora.get()}, 7 * words);
  ASSERT_EQ(parts.size(0), 15);
  EXPECT_LT((whole - parts).abs().max().item<double>(), 1e-5);
  const Tensor factors = at::arange(1, 16, at::kFloat);
  std::vector<Tensor> learned;
  for (const auto& item : nn::trainable(*lora)) learned.push_back(item.tensor);
  const Tensor expected = gradients_of((whole * factors).sum(), learned);
  const Tensor found = gradients_of((parts * factors).sum(), learned);
  EXPECT_GT(expected.abs().max().item<double>(), 1e-2);
  EXPECT_LT((expected - found).abs().max().item<double>(),
            1e-5 * expected.abs().max().item<double>());
}

// A head over words that learns gets its gradient as well.
TEST_P(Decoders, TrainTheirWordHead) {
  const auto network = toy_decoder(GetParam());
  nn::freeze(*network, false);
  Input input(at::arange(12).view({2, 6}));
  input.loss = at::ones_like(input.data);
  input.loss.select(1, 0).zero_();
  std::vector<Tensor> learned;
  for (const auto& item : nn::trainable(*network)) learned.push_back(item.tensor);
  const Tensor expected =
      gradients_of(answer_losses(answer_scores(*network, input, {})).sum(), learned);
  const Tensor found = gradients_of(answer_losses(*network, input, {}, 1).sum(), learned);
  EXPECT_LT((expected - found).abs().max().item<double>(),
            1e-5 * expected.abs().max().item<double>());
}

TEST(Generators, FitTheirNetworkAndTheirData) {
  const auto network = toy_decoder();
  const ToyAnswers answers(0, 4);
  const auto options = bound_options("sft", {});
  const auto error = [&](const Backbone& backbone, const char* learner,
                         const TrainingOptions& training = {}) {
    return error_of(ErrorKind::recipe, [&] {
      const auto own = bound_options(learner, {});
      Rig(const_cast<Backbone&>(backbone), answers, answers,
          {.row = find_learner(learner),
           .learner = own.get(),
           .training = training,
           .ungranted = true});
    });
  };
  EXPECT_EQ(error(*network, "sft"), "");
  EXPECT_TRUE(contains(error(*network, "simplecil"), "chooses among classes"));
  const auto bert = toy_decoder("bert");
  EXPECT_TRUE(contains(error(*bert, "sft"), "needs a decoder"));
}

}  // namespace
}  // namespace patina

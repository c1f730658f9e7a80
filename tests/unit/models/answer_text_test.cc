// Answers as they are read: where they end, and the log-probabilities of their tokens, by hand and
// against the scores of words.
#include "patina/models/answer_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "patina/data/answer_feed.h"
#include "patina/ops.h"
#include "tests/support/errors.h"
#include "tests/support/families.h"
#include "tests/support/toy_answers.h"

namespace patina {
namespace {

// Tokens of several characters.
class Words : public Tokenizer {
 public:
  explicit Words(std::vector<std::string> words) : words_(std::move(words)) {}
  std::vector<int64_t> encode(std::string_view) const override { return {}; }
  std::string decode(std::span<const int64_t> ids, bool) const override {
    std::string text;
    for (const int64_t id : ids) text += words_[size_t(id)];
    return text;
  }
  int64_t size() const override { return int64_t(words_.size()); }
  std::string token(int64_t id) const override { return words_[size_t(id)]; }
  std::optional<int64_t> id(std::string_view) const override { return std::nullopt; }
  std::string about() const override { return "words"; }

 private:
  std::vector<std::string> words_;
};

struct Read {
  std::vector<std::string> pieces;  // the last one of finish()
  std::string text, stopped_by;
  int64_t tokens = 0, pushed = 0;
  std::vector<std::string> parts;  // the texts of the log-probabilities
};

Read read(const std::vector<std::string>& words, std::vector<std::string> stop) {
  const Words tokenizer(words);
  const OutputOptions options{.stop = std::move(stop), .logprobs = true};
  AnswerText text(tokenizer, options);
  const std::vector<float> scores(words.size(), 0);
  Read read;
  for (size_t i = 0; i < words.size() && !text.stopped(); ++i, ++read.pushed)
    read.pieces.push_back(text.push({0, int64_t(i), scores}));
  read.pieces.push_back(text.finish());
  for (const auto& piece : read.pieces) read.text += piece;
  read.stopped_by = text.stopped_by();
  read.tokens = text.tokens();
  for (const auto& token : text.logprobs()) read.parts.push_back(token.text);
  return read;
}

using Texts = std::vector<std::string>;

TEST(AnswerText, WithoutStopsIsWhatItsTokensSay) {
  const Read all = read({"Hel", "lo", "", " world"}, {});
  EXPECT_EQ(all.pieces, (Texts{"Hel", "lo", "", " world", ""}));
  EXPECT_EQ(all.tokens, 4);
  EXPECT_EQ(all.parts, (Texts{"Hel", "lo", "", " world"}));
  EXPECT_EQ(all.stopped_by, "");
}

// In a token, at its beginning, at its end, and over several; what follows is not read.
TEST(AnswerText, EndsBeforeAStopWhereverTokensBegin) {
  const Read within = read({"Hello", " world. Bye", " x"}, {". "});
  EXPECT_EQ(within.text, "Hello world");
  EXPECT_EQ(within.stopped_by, ". ");
  EXPECT_EQ(within.pushed, 2);
  EXPECT_EQ(within.tokens, 2);
  EXPECT_EQ(within.parts, (Texts{"Hello", " world"}));
  const Read between = read({"Hello", "\n\nBye"}, {"\n\n"});
  EXPECT_EQ(between.text, "Hello");
  EXPECT_EQ(between.tokens, 1) << "of the second token nothing is left";
  EXPECT_EQ(between.parts, (Texts{"Hello"}));
  const Read over = read({"a<", "e", "n", "d>b", "c"}, {"<end>"});
  EXPECT_EQ(over.pieces, (Texts{"a", "", "", "", ""}));
  EXPECT_EQ(over.pushed, 4);
  EXPECT_EQ(over.tokens, 1);
  EXPECT_EQ(read({"<end>"}, {"<end>"}).text, "");
  EXPECT_EQ(read({"<end>"}, {"<end>"}).tokens, 0);
}

// What might have become a stop is held back, and no longer than that.
TEST(AnswerText, HoldsBackWhatMayBecomeAStop) {
  EXPECT_EQ(read({"x", "a", "a", "b", "c"}, {"ab"}).pieces, (Texts{"x", "", "a", "", ""}));
  EXPECT_EQ(read({"xa", "c"}, {"ab"}).pieces, (Texts{"x", "ac", ""}));
  EXPECT_EQ(read({"xa"}, {"ab"}).pieces, (Texts{"x", "a"})) << "the text ends: it was none";
  EXPECT_EQ(read({"aba", "bac", "d"}, {"abac"}).text, "ab") << "a stop that overlaps with itself";
}

TEST(AnswerText, EndsAtTheFirstOfSeveralStops) {
  EXPECT_EQ(read({"one two three"}, {"three", "two"}).text, "one ");
  EXPECT_EQ(read({"one two three"}, {"three", "two"}).stopped_by, "two");
  EXPECT_EQ(read({"abc"}, {"bc", "b"}).stopped_by, "bc") << "at the same place the first named";
  // The longer one is still open where the shorter one is complete.
  EXPECT_EQ(read({"a", "b", "c"}, {"abd", "b"}).text, "a");
}

TEST(OutputOptions, ThatDoNotFitTogetherAreRefused) {
  EXPECT_TRUE(contains(error_of([] { check(OutputOptions{.stop = {""}}); }), "stop"));
  EXPECT_TRUE(contains(error_of([] { check(OutputOptions{.top_logprobs = 1}); }), "top_logprobs"));
  EXPECT_TRUE(contains(error_of([] { check(OutputOptions{.echo = true}); }), "echo"));
  EXPECT_EQ(
      error_of([] { check(OutputOptions{.logprobs = true, .top_logprobs = 1, .echo = true}); }),
      "");
}

// exp of the scores: 1, 2, 5, 0 and no number; their sum is 8.
TEST(Logprobs, ByHand) {
  const Words tokenizer({"a", "b", "c", "d", "e"});
  const float none = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> scores = {0, std::log(2.f), std::log(5.f),
                                     -std::numeric_limits<float>::infinity(), none};
  const TokenLogprob b = logprob_of(scores, 1, 2, tokenizer);
  EXPECT_EQ(b.id, 1);
  EXPECT_EQ(b.text, "b");
  EXPECT_NEAR(b.logprob, std::log(2. / 8), 1e-6);
  ASSERT_EQ(b.top.size(), 2u);
  EXPECT_EQ(b.top[0].id, 2);
  EXPECT_EQ(b.top[0].text, "c");
  EXPECT_NEAR(b.top[0].logprob, std::log(5. / 8), 1e-6);
  EXPECT_NEAR(b.top[1].logprob, std::log(2. / 8), 1e-6);
  EXPECT_EQ(logprob_of(scores, 3, 0, tokenizer).logprob, -HUGE_VAL);
  EXPECT_EQ(logprob_of(scores, 4, 0, tokenizer).logprob, -HUGE_VAL);
  EXPECT_EQ(logprob_of(scores, 0, 9, tokenizer).top.size(), 5u) << "no more than there are";
  // Far from 0 nothing overflows; equal ones come in the order of their ids.
  const TokenLogprob equal = logprob_of(std::vector<float>{1e4f, 1e4f}, 1, 2, tokenizer);
  EXPECT_NEAR(equal.logprob, -std::log(2.), 1e-9);
  EXPECT_EQ(equal.top[0].id, 0);
}

// Rows of different lengths, a few scores at a time, against one softmax over all.
TEST(Logprobs, OfPromptsAreThoseOfTheirWords) {
  const auto network = toy_decoder();
  const Tokenizer& tokenizer = *network->tokenizer();
  std::vector<AnswerTokens> rows(2);
  rows[0].ids = {1, 70, 80, 90, 100};
  rows[1].ids = {1, 75, 70};
  for (auto& row : rows) row.loss.assign(row.ids.size(), 0);
  const Input both = answer_rows(rows, tokenizer, /*packed=*/false);
  for (const int64_t at_once : {int64_t{1}, int64_t{600}, int64_t{1} << 20}) {
    const auto all = prompt_logprobs(*network, both, {}, 3, tokenizer, at_once);
    for (size_t row = 0; row < 2; ++row) {
      const auto& ids = rows[row].ids;
      ASSERT_EQ(all[row].size(), ids.size() - 1);
      NoGrad no_grad;
      const Tensor p =
          at::log_softmax(network->word_scores(network->tokens({tensor_of(ids).unsqueeze(0)})), -1,
                          at::kDouble)
              .squeeze(0);
      for (size_t t = 1; t < ids.size(); ++t) {
        const TokenLogprob& one = all[row][t - 1];
        EXPECT_EQ(one.id, ids[t]);
        EXPECT_NEAR(one.logprob, p[int64_t(t) - 1][ids[t]].item<double>(), 1e-5);
        const auto [best, places] = at::topk(p[int64_t(t) - 1], 3, -1);
        for (int64_t k = 0; k < 3; ++k) {
          EXPECT_EQ(one.top[size_t(k)].id, places[k].item<int64_t>());
          EXPECT_NEAR(one.top[size_t(k)].logprob, best[k].item<double>(), 1e-5);
        }
      }
    }
  }
  const auto t5 = tiny_family("t5");
  EXPECT_TRUE(contains(
      error_of(ErrorKind::model, [&] { prompt_logprobs(*t5.network, t5.input, {}, 0, tokenizer); }),
      "echo is for decoders"));
}

}  // namespace
}  // namespace patina

// Experts that mix their next words, against products of probabilities computed word by word.
#include "patina/models/experts.h"

#include <gtest/gtest.h>

#include <numeric>

#include "patina/adapt/lora.h"
#include "patina/models/generate.h"
#include "tests/support/answer_course.h"

namespace patina {
namespace {

using Numbers = std::vector<double>;

/// A decoder with three stirred LoRAs.
struct Three {
  Three() {
    for (uint64_t i = 0; i < 3; ++i) {
      Random random = Seeds(i)("lora");
      loras.push_back(std::make_unique<adapt::Lora>(
          adapt::LoraOptions{.rank = 4, .alpha = 16, .parts = "", .mlp = true}, network->block(),
          network->layers(), random));
      NoGrad no_grad;
      for (auto& item : nn::tensors(*loras.back())) nn::init_normal(item.tensor, random, 0, 0.5);
    }
  }
  Experts experts(const Numbers& prior = {0.2, 0.5, 0.3}) const {
    std::vector<nn::Adaptations> each;
    for (const auto& lora : loras) each.push_back({lora.get()});
    Experts all(each);
    all.prior = prior;
    return all;
  }
  // What an expert thinks comes behind each word: [T][V].
  std::vector<Numbers> after(size_t expert, const std::vector<int64_t>& ids) const {
    NoGrad no_grad;
    const Tensor scores = network->word_scores(
        network->tokens(tensor_of(ids).unsqueeze(0), {loras[expert].get()}))[0];
    std::vector<Numbers> all;
    for (int64_t t = 0; t < scores.size(0); ++t) all.push_back(softmax(numbers(scores[t])));
    return all;
  }
  // The mixed probabilities of what comes behind each word.
  std::vector<Numbers> mixed(const std::vector<int64_t>& ids, const Numbers& prior) const {
    Numbers weight = prior;
    std::vector<std::vector<Numbers>> each;
    for (size_t j = 0; j < loras.size(); ++j) each.push_back(after(j, ids));
    std::vector<Numbers> all;
    for (size_t t = 0; t < ids.size(); ++t) {
      if (t > 0)
        for (size_t j = 0; j < loras.size(); ++j) weight[j] *= each[j][t - 1][size_t(ids[t])];
      const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
      all.emplace_back(each[0][t].size(), 0.0);
      for (size_t j = 0; j < loras.size(); ++j)
        for (size_t v = 0; v < all.back().size(); ++v)
          all.back()[v] += weight[j] / sum * each[j][t][v];
    }
    return all;
  }

  std::unique_ptr<Backbone> network = toy_decoder();
  std::vector<std::unique_ptr<adapt::Lora>> loras;
};

Input row_of(const std::vector<int64_t>& ids, size_t first_loss) {
  const Tensor row = tensor_of(ids).unsqueeze(0);
  Input input(row, at::ones_like(row));
  std::vector<int64_t> loss(ids.size(), 0);
  std::fill(loss.begin() + ptrdiff_t(first_loss), loss.end(), 1);
  input.loss = tensor_of(loss).unsqueeze(0);
  return input;
}

const std::vector<int64_t> kText = {1, 50, 61, 72, 50, 83, 94};

TEST(Experts, MixTheirWordsByThePosteriorOfTheWordsBefore) {
  const Three three;
  const Numbers prior = {0.2, 0.5, 0.3};
  const auto expected = three.mixed(kText, prior);
  const Input input = row_of(kText, 3);
  const Tensor all = mixed_losses(*three.network, input, three.experts(prior));
  const auto losses = numbers(all);
  const AnswerScores answers = mixed_scores(*three.network, input, three.experts(prior));
  ASSERT_EQ(losses.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const Numbers& p = expected[2 + i];
    EXPECT_NEAR(losses[i], -std::log(p[size_t(kText[3 + i])]), 1e-4) << i;
    const Numbers mixed = numbers(answers.scores[int64_t(i)].exp());
    EXPECT_NEAR(std::accumulate(mixed.begin(), mixed.end(), 0.0), 1, 1e-5);
    for (size_t v = 0; v < p.size(); ++v) EXPECT_NEAR(mixed[v], p[v], 1e-5) << i << " " << v;
  }
  EXPECT_LT(furthest(answer_losses(answers), all), 1e-4);
}

// Σ_t -log P(x_t | x_<t) = -log Σ_j P(D = j) P(x | D = j).
TEST(Experts, GiveAWholeTextTheMeanOfItsProbabilities) {
  const Three three;
  const Numbers prior = {0.2, 0.5, 0.3};
  Numbers text = prior;
  for (size_t j = 0; j < 3; ++j) {
    const auto after = three.after(j, kText);
    for (size_t t = 1; t < kText.size(); ++t) text[j] *= after[t - 1][size_t(kText[t])];
  }
  const double all = text[0] + text[1] + text[2];
  const Input input = row_of(kText, 1);
  const Tensor losses = mixed_losses(*three.network, input, three.experts(prior));
  EXPECT_NEAR(losses.sum().item<double>(), -std::log(all), 1e-3);
  const auto posterior = numbers(log_posterior(*three.network, input, three.experts(prior)).exp());
  for (size_t j = 0; j < 3; ++j) EXPECT_NEAR(posterior[j], text[j] / all, 1e-4) << j;
  EXPECT_GT(*std::ranges::max_element(posterior), 0.6) << "the experts are not told apart";
}

// Without words before, the prior counts alone; an expert that it excludes has no say.
TEST(Experts, BeginWithThePrior) {
  const Three three;
  const Input input = row_of(kText, 1);
  const Tensor second = mixed_losses(*three.network, input, three.experts({0, 1, 0}));
  EXPECT_LT(furthest(second, answer_losses(*three.network, input, {three.loras[1].get()})), 1e-4);
  const Input one_word(at::full({2, 1}, 1, at::kLong));
  const Tensor posterior = log_posterior(*three.network, one_word, three.experts()).exp();
  const Numbers expected = {0.2, 0.2, 0.5, 0.5, 0.3, 0.3}, found = numbers(posterior.flatten());
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(found[i], expected[i], 1e-12) << i;
}

TEST(Experts, ReadRowsApartAndNoPadding) {
  const Three three;
  const Input text = row_of(kText, 2), other = row_of({1, 90, 33, 20}, 1);
  const Input both = padded(text, 0).joined(other);
  const Tensor together = mixed_losses(*three.network, both, three.experts());
  const Tensor apart = at::cat({mixed_losses(*three.network, text, three.experts()),
                                mixed_losses(*three.network, other, three.experts())});
  EXPECT_LT(furthest(together, apart), 1e-4);
  EXPECT_LT(furthest(mixed_losses(*three.network, padded(both, 3), three.experts()), apart), 1e-4);
}

TEST(Experts, GoOnWithTheMixedWords) {
  const Three three;
  const Numbers prior = {0.2, 0.5, 0.3};
  std::vector<int64_t> ids = {1, 50, 61}, expected;
  for (int step = 0; step < 8; ++step) {
    const Numbers next = three.mixed(ids, prior).back();
    expected.push_back(std::ranges::max_element(next) - next.begin());
    ids.push_back(expected.back());
  }
  const Input prompt = row_of({1, 50, 61}, 3);
  NoGrad no_grad;
  for (const bool cache : {true, false})
    EXPECT_EQ(generate(*three.network, prompt, {}, {.max_tokens = 8, .cache = cache},
                       three.experts(prior))[0],
              expected);
  // Drawn: the same with and without a cache, and beside a longer prompt.
  const GenerateOptions drawn{.max_tokens = 8, .temperature = 1.5, .alike = true};
  GenerateOptions again = drawn;
  again.cache = false;
  const auto alone = generate(*three.network, prompt, {}, drawn, three.experts(prior))[0];
  EXPECT_NE(alone, expected);
  EXPECT_EQ(generate(*three.network, prompt, {}, again, three.experts(prior))[0], alone);
  const Input both = padded(prompt, 0).joined(row_of({1, 90, 33, 20, 70}, 5));
  EXPECT_EQ(generate(*three.network, both, {}, drawn, three.experts(prior))[0], alone);
}

TEST(Experts, AloneAreTheNetwork) {
  const Three three;
  const Input input = row_of(kText, 2);
  const nn::Adaptations one{three.loras[0].get()};
  NoGrad no_grad;
  EXPECT_TRUE(at::equal(mixed_losses(*three.network, input, one),
                        answer_losses(*three.network, input, one)));
  EXPECT_TRUE(at::equal(mixed_scores(*three.network, input, one).scores,
                        answer_scores(*three.network, input, one).scores));
  const auto text = MixedText::begin(*three.network, input, one, true);
  EXPECT_TRUE(at::equal(text->scores(), three.network->begin(input, one, true)->scores()));
  EXPECT_FALSE(MixedText::begin(*tiny_family("bert").network, input, one, true).has_value());
}

}  // namespace
}  // namespace patina

// Probes and the drift meter, against direct computations.
#include "patina/session/probes.h"

#include <gtest/gtest.h>

#include "patina/learners/registry.h"
#include "patina/models/answer_scores.h"
#include "patina/models/generate.h"
#include "patina/ops.h"
#include "patina/run/drift.h"
#include "patina/session/feed.h"
#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/errors.h"
#include "tests/support/toy_answers.h"

namespace patina {
namespace {

// A learner whose LoRA is drawn anew by `move`.
struct Course {
  explicit Course(DataSplits splits)
      : data(std::move(splits)),
        scenario(make_scenario({.name = "data_sets"}, data)),
        options(bound_options("sft", {})),
        rig(*network, *data.train, *data.test,
            {.row = find_learner("sft"),
             .learner = options.get(),
             .grant = scenario.grant(),
             .data_threads = 1}) {}

  const Generator& learner() { return *rig.learner().generator(); }
  void move(uint64_t seed, double by) {
    NoGrad no_grad;
    Random random = Seeds(seed)("move");
    for (const auto& group : rig.learner().trainable())
      for (Tensor tensor : group.tensors) nn::init_normal(tensor, random, 0, by);
  }
  Asking asking() {
    return {.backbone = *network, .pool = rig.pool(), .max_tokens = 4, .batch = 3};
  }
  Score ask(const std::string& probe, int task) {
    given.clear();
    return make_probe(probe)->ask(learner(), asking(), scenario.test(task), "test", given);
  }
  // log p of every word at every token of a text: [T,V].
  Tensor log_p(const std::vector<int64_t>& ids) {
    NoGrad no_grad;
    const Input input = tensor_of(ids).unsqueeze(0);
    const Tensor tokens = network->tokens(input, learner().adaptations(input));
    return at::log_softmax(network->word_scores(tokens)[0].to(at::kDouble), -1);
  }
  // Σ -log p of the tokens from `first` on.
  double loss(const std::vector<int64_t>& ids, size_t first) {
    const Tensor p = log_p(ids);
    double sum = 0;
    for (size_t t = first; t < ids.size(); ++t) sum -= p[int64_t(t) - 1][ids[t]].item<double>();
    return sum;
  }
  static std::vector<int64_t> ids_of(const std::string& text, bool end) {
    std::vector<int64_t> ids = {ByteTokenizer::kBegin};
    for (const int64_t id : ByteTokenizer().encode(text)) ids.push_back(id);
    if (end) ids.push_back(ByteTokenizer::kEnd);
    return ids;
  }

  std::unique_ptr<Backbone> network = toy_decoder();
  DataSplits data;
  Scenario scenario;
  std::unique_ptr<LearnerOptions> options;
  Rig rig;
  std::vector<GivenAnswer> given;
};

std::string prompt_of(const Exchange& exchange) {
  return exchange.turns[0].content + "\n" + (exchange.input.empty() ? "" : exchange.input + "\n");
}

TEST(Probes, OfLossAreSumsOverTheTokensOfAnswers) {
  Course course(toy_answers());
  course.move(1, 0.3);
  const ToyAnswers test(1, 4);
  double sum = 0, tokens = 0;
  for (int64_t i = 0; i < 4; ++i) {
    const Exchange exchange = test.exchange(i);
    const std::string prompt = prompt_of(exchange);
    sum += course.loss(Course::ids_of(prompt + exchange.answers[0], true), 1 + prompt.size());
    tokens += double(exchange.answers[0].size() + 1);
  }
  EXPECT_NEAR(*course.ask("answer_loss", 1), sum / tokens, 1e-5);
  EXPECT_NEAR(*course.ask("perplexity", 1), std::exp(sum / tokens), 1e-2);
}

TEST(Probes, OfPlainTextAreInBitsPerByte) {
  Course course(toy_answers<ToyPassages>());
  course.move(1, 0.3);
  double sum = 0, bytes = 0;
  for (int64_t i = 0; i < 4; ++i) {
    const std::string text = ToyPassages(2, 4).text(i).first;
    sum += course.loss(Course::ids_of(text, false), 1);
    bytes += double(text.size());
  }
  EXPECT_NEAR(*course.ask("bits_per_byte", 2), sum / bytes / std::log(2.0), 1e-5);
}

// The likeliest of the task's four answers, each with its end.
TEST(Probes, OfLikelihoodChooseTheLikeliestAnswer) {
  Course course(toy_answers());
  course.move(3, 0.5);
  const ToyAnswers test(0, 4);
  int right = 0;
  for (int64_t i = 0; i < 4; ++i) {
    const std::string prompt = prompt_of(test.exchange(i));
    std::vector<double> losses;
    for (int64_t a = 0; a < 4; ++a)
      losses.push_back(course.loss(Course::ids_of(prompt + test.exchange(a).answers[0], true),
                                   1 + prompt.size()));
    right += std::ranges::min_element(losses) - losses.begin() == i;
  }
  EXPECT_DOUBLE_EQ(*course.ask("likelihood", 0), right / 4.0);
}

TEST(Probes, OfTextMetricsCompareWhatIsWritten) {
  Course course(toy_answers());
  course.move(2, 0.5);
  const Score score = course.ask("indel_ratio", 1);
  ASSERT_TRUE(score);
  ASSERT_EQ(course.given.size(), 4u);
  const ToyAnswers test(1, 4);
  for (int64_t i = 0; i < 4; ++i) {
    const auto& [origin, sample] = course.given[size_t(i)];
    EXPECT_EQ(origin, test.origin(i));
    EXPECT_EQ(sample.references, test.exchange(i).answers);
    // The same, one prompt alone.
    const Input prompt = tensor_of(Course::ids_of(prompt_of(test.exchange(i)), false)).unsqueeze(0);
    const auto ids = generate(*course.network, prompt, {ByteTokenizer::kEnd, ByteTokenizer::kBegin},
                              {.max_tokens = 4}, course.learner().adaptations(prompt));
    std::string text = ByteTokenizer().decode(ids[0], true);
    text.erase(0, text.find_first_not_of(" \t\r\n"));
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
    EXPECT_EQ(sample.prediction, text) << i;
  }
}

TEST(Probes, AreOneForAllTasksOrOneEach) {
  Course course(toy_answers());
  const auto names = [&](const std::vector<std::string>& asked) {
    std::string all;
    for (const auto& probe : probes_of({.probes = asked}, course.scenario))
      all += probe->metric() + " ";
    return all;
  };
  const auto error = [&](const std::vector<std::string>& asked) {
    return error_of(ErrorKind::recipe, [&] { names(asked); });
  };
  EXPECT_EQ(names({}), "exact_match exact_match exact_match ");
  EXPECT_EQ(names({"rouge_l"}), "rouge_l rouge_l rouge_l ");
  EXPECT_EQ(names({"rouge_l", "likelihood", "perplexity"}), "rouge_l likelihood perplexity ");
  EXPECT_TRUE(contains(error({"rouge_l", "likelihood"}), "2 probes, and the stream has 3 tasks"));
  EXPECT_TRUE(contains(error({"rogue_l"}), "no probe is called \"rogue_l\", did you mean"));
  Course plain(toy_answers<ToyPassages>());
  EXPECT_EQ(probes_of({}, plain.scenario)[0]->metric(), "bits_per_byte");
  EXPECT_TRUE(contains(
      error_of(ErrorKind::recipe, [&] { probes_of({.probes = {"rouge_l"}}, plain.scenario); }),
      "plain text has none"));
}

TEST(Drift, IsTheMeanDivergencePerTokenOfHeldPrompts) {
  Course course(toy_answers());
  Drift drift(course.asking(), course.scenario, 20, "The sun is hot.");
  // The prompts, one of each task in turn, until they have 20 tokens behind their first.
  std::vector<std::vector<int64_t>> held;
  int64_t left = 20;
  for (int64_t i = 0; left > 0; ++i)
    for (int64_t set = 0; set < 3 && left > 0; ++set) {
      auto ids = Course::ids_of(prompt_of(ToyAnswers(set, 4).exchange(i)), false);
      ids.resize(std::min<size_t>(ids.size(), size_t(left) + 1));
      left -= int64_t(ids.size()) - 1;
      held.push_back(ids);
    }
  const auto distributions = [&] {
    std::vector<Tensor> rows;
    for (const auto& ids : held)
      rows.push_back(course.log_p(ids).slice(0, 0, int64_t(ids.size()) - 1));
    return at::cat(rows);
  };
  const auto divergence = [](const Tensor& p, const Tensor& q) {
    return (p.exp() * (p - q)).sum(1).mean().item<double>();
  };
  const Tensor base = distributions();
  EXPECT_EQ(base.size(0), 20);
  drift.measure(course.learner());
  EXPECT_NEAR(drift.points()[0].from_base, 0, 1e-7);
  course.move(1, 0.4);
  const Tensor first = distributions();
  drift.measure(course.learner());
  course.move(2, 0.4);
  const Tensor second = distributions();
  drift.measure(course.learner());
  const auto& point = drift.points()[2];
  EXPECT_GT(point.from_base, 0.01);
  EXPECT_NEAR(drift.points()[1].from_before, divergence(base, first), 1e-5);
  EXPECT_NEAR(point.from_base, divergence(base, second), 1e-5);
  EXPECT_NEAR(point.from_before, divergence(first, second), 1e-5);
  const double loss = course.loss(Course::ids_of("The sun is hot.", false), 1);
  EXPECT_NEAR(point.general_loss, loss / 15, 1e-5);
  EXPECT_NEAR(point.general_bits_per_byte, loss / 15 / std::log(2.0), 1e-5);
}

}  // namespace
}  // namespace patina

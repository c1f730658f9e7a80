// Methods that answer with text, against their papers' formulas.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "patina/learners/instruction/answer_loss.h"
#include "patina/learners/registry.h"
#include "patina/models/answer_scores.h"
#include "patina/ops.h"
#include "patina/session/feed.h"
#include "patina/session/rig.h"
#include "tests/support/bound_options.h"
#include "tests/support/toy_answers.h"

namespace patina {
namespace {

// A learner on three toy sets.
struct Course {
  explicit Course(const std::string& name, const std::vector<std::string>& settings = {})
      : scenario(make_scenario({.name = "data_sets"}, data)),
        stream(scenario.stream()),
        options(bound_options(name, settings)),
        rig(*network, *data.train, *data.test,
            {.row = find_learner(name),
             .learner = options.get(),
             .training = {.epochs = 2,
                          .batch_size = 4,
                          .optimizer = {.optimizer = "adamw", .lr = 0.01, .schedule = "constant"}},
             .seeds = Seeds(5),
             .grant = scenario.grant(),
             .data_threads = 1}) {}

  Learner& learner() { return rig.learner(); }
  void learn() {
    task = *stream.next();
    rig.learn(*task);
  }
  std::map<std::string, Tensor> state() {
    Archive archive;
    learner().state(archive);
    std::map<std::string, Tensor> copies;
    for (const auto& [name, tensor] : archive.tensors()) copies[name] = tensor.clone();
    return copies;
  }

  std::unique_ptr<Backbone> network = toy_decoder();
  DataSplits data = toy_answers();
  Scenario scenario;
  Stream stream;
  std::unique_ptr<LearnerOptions> options;
  Rig rig;
  std::optional<Task> task;
};

double furthest(const Tensor& a, const Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(Slao, MergesEverMoreSlowlyAndBeginsOrthogonally) {
  Course course("slao", {"rank=3"});
  const std::string a = "blocks.1.q.a", b = "blocks.1.q.b";
  course.learn();
  const auto first = course.state();
  EXPECT_EQ(furthest(first.at("merged." + b), first.at("lora." + b)), 0);
  course.task = *course.stream.next();
  course.learner().begin_task(*course.task, course.rig.trainer());
  const auto begun = course.state();
  // Rows of A with a length of 1 and right angles, the first along A's first; B goes on.
  const Tensor rows = begun.at("lora." + a).to(at::kDouble);
  EXPECT_LT(furthest(rows.matmul(rows.t()), at::eye(3, at::kDouble)), 1e-6);
  const Tensor before = first.at("lora." + a)[0].to(at::kDouble);
  EXPECT_LT(furthest(rows[0], before / before.norm()), 1e-6);
  EXPECT_EQ(furthest(begun.at("lora." + b), first.at("lora." + b)), 0);
  course.learner().fit(*course.task, course.rig.trainer());
  course.learner().end_task(*course.task, course.rig.trainer());
  const auto second = course.state();
  EXPECT_EQ(furthest(second.at("merged." + a), second.at("lora." + a)), 0);
  const Tensor merged =
      first.at("merged." + b) + (second.at("lora." + b) - first.at("merged." + b)) / std::sqrt(2.0);
  EXPECT_LT(furthest(second.at("merged." + b), merged), 1e-6);
  course.learn();
  EXPECT_EQ(course.state().size(), second.size());  // no more for a third task
}

// Σ -log p / tokens + λ1 Σ |A_i A_tᵀ|.
TEST(OLora, PenalisesDirectionsOfEarlierTasks) {
  Course course("o_lora", {"rank=2", "orthogonality=0.25"});
  course.learn();
  const auto first = course.state();
  course.task = *course.stream.next();
  course.learner().begin_task(*course.task, course.rig.trainer());
  const auto begun = course.state();
  double penalty = 0;
  int products = 0;
  for (const auto& [name, tensor] : begun) {
    if (!name.starts_with("lora.") || !name.ends_with(".a")) continue;
    const std::string part = name.substr(5);
    EXPECT_EQ(furthest(begun.at("task_0." + part), first.at(name)), 0) << name;
    EXPECT_GT(furthest(tensor, first.at(name)), 0) << name << " begins anew";
    penalty += begun.at("task_0." + part).matmul(tensor.t()).abs().sum().item<double>();
    ++products;
  }
  EXPECT_EQ(products, 4);  // queries and values of two blocks
  const Batch batch =
      *Loader(*course.task->train, course.rig.train_feed(), course.rig.pool(), 8).next();
  NoGrad no_grad;
  const Tensor losses = answer_losses(answer_scores(
      *course.network, batch.input, course.learner().generator()->adaptations(batch.input)));
  Step step{.tokens = losses.size(0)};
  EXPECT_NEAR(course.learner().loss(batch, step).item<double>(),
              losses.mean().item<double>() + 0.25 * penalty, 1e-4);
  step.part = 1;  // the penalty is the step's, not each part's
  EXPECT_NEAR(course.learner().loss(batch, step).item<double>(), losses.mean().item<double>(),
              1e-5);
}

// The numbers of a row as doubles.
std::vector<double> numbers(const Tensor& row) {
  const Tensor all = row.detach().to(at::kDouble).contiguous();
  return {all.data_ptr<double>(), all.data_ptr<double>() + all.numel()};
}

std::vector<double> softmax(const std::vector<double>& scores) {
  std::vector<double> p;
  double sum = 0;
  for (const double score : scores) sum += p.emplace_back(std::exp(score));
  for (double& value : p) value /= sum;
  return p;
}

double divergence(const std::vector<double>& p, const std::vector<double>& q) {
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) sum += p[i] * std::log(p[i] / q[i]);
  return sum;
}

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

// F = mean over samples of (d log p(answer) / dθ)², a gradient a sample; the penalty's gradient is
// λ F (θ - θ*).
TEST(SftEwc, HoldsTheLoraByTheFisherInformationOfWholeAnswers) {
  Course course("sft_ewc", {"rank=2", "strength=3"});
  course.learn();
  const auto first = course.state();
  Learner& learner = course.learner();
  const auto feed = make_answer_feed(*course.network, {}, AnswerRows::whole);
  std::vector<Tensor> leaves = learner.trainable().front().tensors, fisher, start;
  for (const Tensor& leaf : leaves) {
    fisher.push_back(at::zeros_like(leaf.detach()));
    start.push_back(leaf.detach().clone());
  }
  for (int64_t i = 0; i < 8; ++i) {
    const Dataset one = course.task->train->select({i});
    const Input input = Loader(one, *feed, course.rig.pool(), 1).next()->input;
    for (Tensor& leaf : leaves) leaf.mutable_grad() = Tensor();
    answer_losses(answer_scores(*course.network, input, learner.generator()->adaptations(input)))
        .sum()
        .backward();
    for (size_t k = 0; k < leaves.size(); ++k) fisher[k] += leaves[k].grad().square() / 8;
  }
  double largest = 0;
  for (size_t k = 0; k < leaves.size(); ++k) {
    const std::string number = std::to_string(k);
    largest = std::max(largest, fisher[k].max().item<double>());
    EXPECT_LT(furthest(first.at("anchor.importance." + number), fisher[k]),
              1e-4 * fisher[k].max().item<double>());
    EXPECT_EQ(furthest(first.at("anchor.place." + number), start[k]), 0);
  }
  EXPECT_GT(largest, 0);
  NoGrad no_grad;
  for (Tensor& leaf : leaves) {
    leaf.add_(0.5);
    leaf.mutable_grad() = Tensor();
  }
  learner.after_backward({.descent = false});
  for (size_t k = 0; k < leaves.size(); ++k)
    EXPECT_LT(furthest(leaves[k].grad(), fisher[k] * 1.5), 1e-4 * largest);
}

// Σ (-log p + λ T² KL(p_before ‖ p)) / tokens with both at temperature T.
TEST(SftLwf, RepeatsWhatTheModelBeforeTheTaskSaid) {
  for (const std::string tune : {"lora", "full"}) {
    Course course("sft_lwf", {"tune=\"" + tune + "\"", "temperature=3", "strength=0.5"});
    course.learn();
    course.task = *course.stream.next();
    Learner& learner = course.learner();
    learner.begin_task(*course.task, course.rig.trainer());
    const Batch batch =
        *Loader(*course.task->train, course.rig.train_feed(), course.rig.pool(), 8).next();
    const auto answers = [&] {
      NoGrad no_grad;
      return answer_scores(*course.network, batch.input,
                           learner.generator()->adaptations(batch.input));
    };
    const auto before = answers();
    learner.fit(*course.task, course.rig.trainer());
    const auto now = answers();
    const int64_t tokens = now.word.size(0);
    double sum = 0, apart = 0;
    for (int64_t t = 0; t < tokens; ++t) {
      const auto soft = [&](const Tensor& scores) { return softmax(numbers(scores[t] / 3)); };
      const auto p = softmax(numbers(now.scores[t]));
      sum -= std::log(p[size_t(now.word[t].item<int64_t>())]);
      apart += divergence(soft(before.scores), soft(now.scores));
    }
    EXPECT_GT(apart, 1e-3);
    EXPECT_NEAR(learner.loss(batch, {.tokens = tokens}).item<double>(),
                (sum + 0.5 * 9 * apart) / double(tokens), 1e-5)
        << tune;
    learner.end_task(*course.task, course.rig.trainer());
    for (const auto& [name, tensor] : course.state())
      EXPECT_FALSE(name.starts_with("before.")) << name;
  }
}

// Half of an epoch: as many as the 8 samples of the task.
TEST(SftReplay, MixesAnExactPartOfKeptSamples) {
  Course course("sft_replay", {"replay=0.5", "memory_per_task=3"});
  course.learn();
  course.task = *course.stream.next();
  course.rig.learn(*course.task);
  course.task = *course.stream.next();
  const Dataset epoch = course.learner().generator()->samples_of(*course.task, 0);
  EXPECT_EQ(epoch.size(), 16);
  EXPECT_EQ(course.learner().generator()->samples_of({.train = course.task->train}, 1).size(), 16);
}

}  // namespace
}  // namespace patina

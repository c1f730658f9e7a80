// Methods that answer with text, against their papers' formulas.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <set>

#include "patina/models/answer_scores.h"
#include "patina/ops.h"
#include "patina/session/feed.h"
#include "tests/support/answer_course.h"
#include "tests/support/errors.h"

namespace patina {
namespace {

using Course = AnswerCourse;

TEST(Slao, MergesEverMoreSlowlyAndBeginsOrthogonally) {
  AnswerCourse course("slao", {"rank=3"});
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
  AnswerCourse course("o_lora", {"rank=2", "orthogonality=0.25"});
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

// Of 24 by 24 queries, 2 % are 11 elements; what two tasks share counts once.
TEST(Sefe, KeepsTheElementsThatEarlierTasksChangedMost) {
  Course course("sefe", {"rank=2", "parts=\"q\"", "output=false", "mlp=false", "strength=40"});
  const auto change = [&](const std::map<std::string, Tensor>& state) {
    return state.at("lora.blocks.1.q.b").matmul(state.at("lora.blocks.1.q.a")).flatten();
  };
  std::set<int64_t> kept;
  for (int task = 0; task < 3; ++task) {
    course.begin();
    course.fit();
    const auto state = course.state();
    const Tensor now = change(state);
    const Batch batch = course.batch();
    NoGrad no_grad;
    const Tensor losses = answer_losses(answer_scores(
        *course.network, batch.input, course.learner().generator()->adaptations(batch.input)));
    double penalty = 0;
    for (const int64_t i : kept) penalty += std::abs(now[i].item<double>()) / double(kept.size());
    Step step{.tokens = losses.size(0)};
    const double with = course.learner().loss(batch, step).item<double>();
    step.part = 1;
    const double without = course.learner().loss(batch, step).item<double>();
    EXPECT_NEAR(without, losses.mean().item<double>(), 1e-5);
    if (task == 0) {
      EXPECT_EQ(with, without);
    } else {
      // The first block's as well.
      const Tensor other =
          state.at("lora.blocks.0.q.b").matmul(state.at("lora.blocks.0.q.a")).flatten().abs();
      const Tensor places = state.at("kept_0");
      EXPECT_NEAR(with - without,
                  40 * (penalty + other.index_select(0, places).mean().item<double>()),
                  1e-3 * (with - without) + 1e-5);
      EXPECT_GT(with - without, 1e-3);
    }
    course.learner().end_task(*course.task, course.rig.trainer());
    std::vector<std::pair<double, int64_t>> order;
    for (int64_t i = 0; i < now.size(0); ++i)
      order.push_back({-std::abs(now[i].item<double>()), i});
    std::ranges::sort(order);
    for (size_t i = 0; i < 11; ++i) kept.insert(order[i].second);
    EXPECT_EQ(items_of(course.state().at("kept_1")),
              std::vector<int64_t>(kept.begin(), kept.end()));
  }
}

// Half of an epoch: as many as the 8 samples of the task.
TEST(SftReplay, MixesAnExactPartOfKeptSamples) {
  AnswerCourse course("sft_replay", {"replay=0.5", "memory_per_task=3"});
  course.learn();
  course.task = *course.stream.next();
  course.rig.learn(*course.task);
  course.task = *course.stream.next();
  const Dataset epoch = course.learner().generator()->samples_of(*course.task, 0);
  EXPECT_EQ(epoch.size(), 16);
  EXPECT_EQ(course.learner().generator()->samples_of({.train = course.task->train}, 1).size(), 16);
}

// A family's chat template, for a model whose files have none.
TEST(ChatTemplates, AreNamedWhereAModelHasNone) {
  const auto network = toy_decoder();
  const ToyAnswers prompts(0, 4);
  const auto feed = [&](const std::string& name) {
    return make_answer_feed(*network, {.prompt = "chat", .chat_template = name}, AnswerRows::whole);
  };
  const AnswerTokens tokens = feed("mistral")->tokens(prompts, 1);
  EXPECT_EQ(network->tokenizer()->decode(tokens.ids, false), "<s>[INST] say 1 [/INST] dd</s>");
  std::vector<int64_t> learned;
  for (size_t i = 0; i < tokens.ids.size(); ++i)
    if (tokens.loss[i]) learned.push_back(tokens.ids[i]);
  EXPECT_EQ(network->tokenizer()->decode(learned, false), " dd</s>");
  EXPECT_TRUE(contains(error_of([&] { feed(""); }), "name a family's (text.chat_template)"));
  EXPECT_TRUE(contains(error_of([&] { feed("chatml"); }),
                       "which writes <|im_start|>, and the tokenizer of"));
  auto own = std::make_shared<ByteTokenizer>();
  own->set_chat_template("{{ messages[0].content }}", "own");
  network->set_tokenizer(own);
  EXPECT_TRUE(contains(error_of([&] { feed("mistral"); }), "has a chat template of its own"));
}

// A TreeLoRA whose tasks have made-up gradients: in each of two blocks a multiple of one direction,
// all ones, over the LoRA's numbers.
struct MadeGradients {
  static constexpr double kSimilarity = 0.4;
  using Multiples = std::array<double, 2>;

  MadeGradients()
      : course("treelora", {"rank=2", fmt::format("similarity={}", kSimilarity)},
               toy_answers(/*sets=*/4)),
        leaves(course.learner().trainable().front().tensors) {}

  // What a step adds to the gradients of each block, which are multiples of the direction.
  Multiples step(const Multiples& gradients, int64_t done, int64_t all) {
    const size_t half = leaves.size() / 2;
    for (size_t i = 0; i < leaves.size(); ++i)
      leaves[i].mutable_grad() = at::full_like(leaves[i].detach(), gradients[i / half]);
    course.learner().after_backward({.step = done, .steps = all});
    Multiples added;
    for (size_t i = 0; i < leaves.size(); ++i) {
      const Tensor more = leaves[i].grad() - gradients[i / half];
      const double first = more.flatten()[0].item<double>();
      EXPECT_LT(furthest(more, at::full_like(more, first)), 1e-6);
      if (i % half > 0) {
        EXPECT_NEAR(first, added[i / half], 1e-6) << i;
      }
      added[i / half] = first;
    }
    return added;
  }
  // A task of two steps with these gradients in the mean.
  void learn(const Multiples& gradients) {
    course.begin();
    step({gradients[0] + 1, gradients[1] - 2}, 0, 2);
    step({gradients[0] - 1, gradients[1] + 2}, 1, 2);
    course.learner().end_task(*course.task, course.rig.trainer());
  }

  AnswerCourse course;
  std::vector<Tensor> leaves;
};

// Block 0 divides {0, 1} from {2} at the median of <G, mean>: 2, 1 and -1 times 2/3. Block 1
// divides 0 from 1. Of T = 8 steps the first two try both sides. The third goes to 0 - √(log(192) /
// 2) on the left, not 0.5 - √(log(192) / 2) on the right; the fourth to 0.5 - √(log(320) / 2) =
// -1.20 on the right, not 0.25 - √(log(320) / 4) = -0.95 on the left.
TEST(TreeLora, SearchesTheTasksWithSimilarGradientsBlockByBlock) {
  MadeGradients made;
  made.learn({2, 3});
  made.learn({1, -1});
  made.learn({-1, 1});
  const auto known = made.course.state();
  for (int64_t k = 0; k < 3; ++k) {
    const Tensor gradients = known.at("gradients." + std::to_string(k));
    EXPECT_EQ(gradients.size(0), 2);
    const std::vector<std::array<double, 2>> wanted = {{2, 3}, {1, -1}, {-1, 1}};
    for (int64_t d = 0; d < 2; ++d)
      EXPECT_LT(furthest(gradients[d], at::full_like(gradients[d], wanted[size_t(k)][size_t(d)])),
                1e-5);
  }
  made.course.begin();
  struct Found {
    double block0, block1;  // the mean gradients of the tasks on the path
  };
  const std::vector<Found> path = {{1.5, 3}, {-1, 1}, {1.5, -1}, {-1, 1}};
  for (size_t t = 0; t < path.size(); ++t) {
    const auto added = made.step({1, 1}, int64_t(t), 8);
    const double weight = MadeGradients::kSimilarity * double(t) / 8;
    EXPECT_NEAR(added[0], weight * path[t].block0, 1e-6) << t;
    EXPECT_NEAR(added[1], weight * path[t].block1, 1e-6) << t;
  }
  // Half the L1 distance of directions, in the mean over blocks: 0, then (1 + 0) / 2 on the right,
  // (0 + 1) / 2 on the left, and the right again. Nodes: root; left, its tasks 0 and 1; right.
  Archive archive;
  made.course.learner().state(archive);
  Archive saved = std::move(archive).reopened();
  std::vector<double> tries, distances;
  saved("tries", tries);
  saved("distances", distances);
  EXPECT_EQ(tries, (std::vector<double>{0, 2, 1, 1, 2}));
  const std::vector<double> sums = {0, 0.5, 0, 0.5, 1};
  ASSERT_EQ(distances.size(), sums.size());
  for (size_t i = 0; i < sums.size(); ++i) EXPECT_NEAR(distances[i], sums[i], 1e-6) << i;
}

TEST(TreeLora, LearnsTheFirstTaskAsFineTuningDoes) {
  AnswerCourse tree("treelora", {"rank=2"}),
      plain("sft", {"rank=2", "alpha=32", "parts=\"qv\"", "mlp=false"});
  tree.learn();
  plain.learn();
  const auto wanted = plain.state(), got = tree.state();
  for (const auto& [name, tensor] : wanted) EXPECT_TRUE(at::equal(got.at(name), tensor)) << name;
  tree.learn();
  plain.learn();
  EXPECT_GT(furthest(tree.state().at("lora.blocks.1.q.a"), plain.state().at("lora.blocks.1.q.a")),
            0);
}

// Stopped in the middle of a task, it finds the same tasks.
TEST(TreeLora, RemembersTheTree) {
  MadeGradients whole;
  whole.learn({2, 3});
  whole.learn({1, -1});
  whole.learn({-1, 1});
  whole.course.begin();
  for (int64_t t = 0; t < 3; ++t) whole.step({1, 1}, t, 8);
  Archive archive;
  whole.course.learner().state(archive);
  Archive saved = std::move(archive).reopened();
  MadeGradients part;
  part.course.learner().state(saved);
  for (int64_t t = 3; t < 8; ++t) {
    const auto wanted = whole.step({1, 0.5}, t, 8), got = part.step({1, 0.5}, t, 8);
    EXPECT_NE(wanted[0], 0);
    EXPECT_EQ(got, wanted) << t;
  }
}

}  // namespace
}  // namespace patina

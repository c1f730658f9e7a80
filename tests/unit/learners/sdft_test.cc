// Self-distillation, computed token by token.
#include <gtest/gtest.h>

#include <functional>

#include "patina/data/demonstrations.h"
#include "patina/models/generate.h"
#include "patina/models/linear_layers.h"
#include "tests/support/answer_course.h"
#include "tests/support/errors.h"
#include "tests/support/tensors.h"

namespace patina {
namespace {

using Course = AnswerCourse;

// Σ over the tokens of greedy answers but the first two of what `apart` says of the teacher's and
// the model's probabilities, and their number; token by token.
using Apart = std::function<double(const std::vector<double>&, const std::vector<double>&)>;
std::pair<double, double> self_distillation(Course& course, const Backbone& teacher,
                                            const Batch& batch, const Apart& apart) {
  NoGrad no_grad;
  const auto adaptations = course.learner().generator()->adaptations(batch.input);
  const auto ids_of = [](const std::string& text) {
    auto ids = ByteTokenizer().encode(text);
    ids.insert(ids.begin(), ByteTokenizer::kBegin);
    return ids;
  };
  const auto next = [](const Backbone& network, const std::vector<int64_t>& ids,
                       const nn::Adaptations& own) {
    const Tensor tokens = network.tokens(tensor_of(ids).unsqueeze(0), own);
    return softmax(numbers(network.word_scores(tokens)[0][-1]));
  };
  double sum = 0, count = 0;
  for (int64_t row = 0; row < batch.size(); ++row) {
    std::string prompt, answer;
    for (int64_t t = 1; t < batch.input.mask[row].sum().item<int64_t>(); ++t) {
      const int64_t id = batch.input.data[row][t].item<int64_t>();
      if (id != ByteTokenizer::kEnd)
        (batch.input.loss[row][t].item<int64_t>() ? answer : prompt) += char(id - 3);
    }
    auto model = ids_of(prompt);
    auto shown =
        ids_of(prompt.substr(0, prompt.size() - 1) +
               "\n\nThis is an example for a response to the question:\n" + answer +
               "\n\nNow answer with a response of your own, including the thinking process:\n");
    const auto said =
        generate(*course.network, tensor_of(model).unsqueeze(0),
                 {ByteTokenizer::kEnd, ByteTokenizer::kBegin}, {.max_tokens = 9}, adaptations)[0];
    for (size_t t = 0; t < said.size() + (said.size() < 9); ++t) {
      if (t >= 2) {
        sum += apart(next(teacher, shown, {}), next(*course.network, model, adaptations));
        ++count;
      }
      if (t == said.size()) break;
      model.push_back(said[t]);
      shown.push_back(said[t]);
    }
  }
  return {sum, count};
}

const std::vector<std::string> kGreedy = {"teacher=\"original\"", "temperature=0",
                                          "answer_tokens=9", "skip_tokens=2"};

TEST(Sdft, LearnsWhatItWouldSayIfItWereShownTheAnswer) {
  const std::map<double, Apart> divergences = {
      {0, divergence},
      {1, [](const auto& teacher, const auto& model) { return divergence(model, teacher); }},
      {0.3, [](const auto& teacher, const auto& model) {
         std::vector<double> both;
         for (size_t i = 0; i < model.size(); ++i)
           both.push_back(0.7 * model[i] + 0.3 * teacher[i]);
         return 0.7 * divergence(model, both) + 0.3 * divergence(teacher, both);
       }}};
  for (const auto& [alpha, apart] : divergences)
    for (const std::string tune : {"lora", "full"}) {
      auto settings = kGreedy;
      settings.insert(settings.end(), {fmt::format("reverse={}", alpha), "tune=\"" + tune + "\""});
      Course course("sdft", settings, 400);
      course.begin();
      course.fit();
      const Batch batch = course.batch();
      const auto base = toy_decoder("llama", 1, 400);
      const auto [sum, count] = self_distillation(course, *base, batch, apart);
      EXPECT_GT(sum, 0.01);
      Learner& learner = course.learner();
      const Step step{.tokens = batch.input.loss.sum().item<int64_t>()};
      EXPECT_NEAR(learner.loss(batch, step).item<double>() * double(step.tokens), sum, 1e-3 * sum)
          << alpha << " " << tune;
    }
}

TEST(Sdft, NeedsAnswersToShow) {
  const ToyPassages passages(0, 2);
  EXPECT_EQ(
      error_of(ErrorKind::data, [&] { Demonstrations(whole(passages), "{answer}"); }),
      "toy 0[0]: the sample has no answer to show: the method needs prompts with answers, such "
      "as data.name = \"instructions\"");
}

// The gradient is that of the mean over the tokens of all parts' answers.
TEST(Sdft, DividesByTheTokensOfAllParts) {
  Course course("sdft", kGreedy, 400);
  course.begin();
  course.fit();
  const Batch batch = course.batch();
  const double count =
      self_distillation(course, *toy_decoder("llama", 1, 400), batch, divergence).second;
  Learner& learner = course.learner();
  Step step{.tokens = batch.input.loss.sum().item<int64_t>()};
  const auto leaves = learner.trainable().front().tensors;
  const auto gradient = [&](const std::vector<Batch>& parts) {
    for (const Tensor& leaf : leaves) leaf.mutable_grad() = Tensor();
    step.parts = int64_t(parts.size());
    for (step.part = 0; step.part < step.parts; ++step.part)
      learner.loss(parts[size_t(step.part)], step).backward();
    std::vector<Tensor> grads;
    for (const Tensor& leaf : leaves) grads.push_back(leaf.grad().flatten().clone());
    learner.after_backward(step);
    const Tensor raw = at::cat(grads);
    for (size_t i = 0; i < leaves.size(); ++i) grads[i] = leaves[i].grad().flatten();
    EXPECT_LT(furthest(at::cat(grads), raw * (double(step.tokens) / count)),
              1e-5 * raw.abs().max().item<double>());
    return at::cat(grads);
  };
  const Tensor whole = gradient({batch});
  EXPECT_LT(furthest(gradient({batch.rows(0, 3), batch.rows(3, 8)}), whole),
            1e-3 * whole.abs().max().item<double>());
}

// A sample's answer is drawn by task, epoch and sample, whatever else is in the batch.
TEST(Sdft, DrawsAnswersBySampleAndEpoch) {
  Course course("sdft", {"teacher=\"original\"", "answer_tokens=6", "skip_tokens=0"}, 400);
  course.begin();
  course.fit();
  const Batch batch = course.batch();
  NoGrad no_grad;
  const auto loss = [&](const Batch& rows, int64_t epoch) {
    return course.learner().loss(rows, {.epoch = epoch, .tokens = 1}).item<double>();
  };
  double alone = 0;
  for (int64_t row = 0; row < 8; ++row) alone += loss(batch.rows(row, row + 1), 0);
  EXPECT_NEAR(alone, loss(batch, 0), 1e-3 * alone);
  EXPECT_GT(std::abs(loss(batch, 1) - alone), 1e-2 * alone);
}

// The teacher is W + the moving average of the LoRA's change s B A, not the product of averages.
TEST(Sdft, TeacherFollowsTheMergedChange) {
  Course course("sdft", {"rank=2", "teacher_rate=0.25"});
  course.begin();
  const auto teacher = [&] {
    for (const auto& [name, tensor] : course.state())
      if (name.starts_with("teacher.") && name.ends_with("blocks.1.attn.qkv.weight")) return tensor;
    return Tensor();
  };
  const Tensor before = teacher();
  EXPECT_EQ(furthest(before, layer_weight(*course.network, 1, adapt::Part::q)), 0);  // the model's
  const auto leaves = course.learner().trainable().front().tensors;
  const auto set = [&](uint64_t seed) {
    NoGrad no_grad;
    // The second block's queries: after the first block's four pairs or more.
    const size_t at = leaves.size() / 2;
    Tensor(leaves[at]).copy_(random_tensor(leaves[at].sizes().vec(), seed));
    Tensor(leaves[at + 1]).copy_(random_tensor(leaves[at + 1].sizes().vec(), seed + 1));
    course.learner().after_step({}, {});
    return std::pair(leaves[at].detach().clone(), leaves[at + 1].detach().clone());
  };
  const auto [a1, b1] = set(1);
  const auto [a2, b2] = set(3);
  const double scale = 16.0 / 2;
  const Tensor change = b1.matmul(a1) * (scale * 0.25 * 0.75) + b2.matmul(a2) * (scale * 0.25);
  const Tensor moved = teacher() - before;
  EXPECT_LT(furthest(moved.slice(0, 0, change.size(0)), change), 1e-4);
  EXPECT_EQ(moved.slice(0, change.size(0)).abs().max().item<double>(), 0);
}

}  // namespace
}  // namespace patina

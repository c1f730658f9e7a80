// Methods that learn again what they write of earlier tasks, against their papers' formulas.
#include <set>

#include "patina/base/json.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/learners/instruction/written_samples.h"
#include "patina/nn/layers.h"
#include "tests/support/answer_course.h"

namespace patina {
namespace {

using Ids = std::vector<int64_t>;

Ids ids_of(const std::string& text) {
  return ByteTokenizer().encode(text);
}

std::string text_of(const Ids& ids) {
  return ByteTokenizer().decode(ids, /*skip_special=*/false);
}

TEST(WholeSamples, HaveTheirFormats) {
  const ByteTokenizer tokenizer;
  const WholeSamples format(tokenizer, "[ANS]", 0);
  const WholeSample sample{ids_of("say 1\n"), ids_of("no")};
  const AnswerTokens answer = format.answer_of(sample);
  EXPECT_EQ(text_of(answer.ids), "<s>say 1\nno</s>");
  EXPECT_EQ(answer.loss, (Ids{0, 0, 0, 0, 0, 0, 0, 1, 1, 1}));
  const AnswerTokens whole = format.whole("[TASK 2]", sample);
  EXPECT_EQ(text_of(whole.ids), "<s>[TASK 2]say 1\n[ANS]no</s>");
  EXPECT_EQ(whole.counted(), int64_t(whole.ids.size()) - 1) << "all but what begins every text";
  EXPECT_EQ(text_of(format.begun("[TASK 2]").ids), "<s>[TASK 2]");
  const Tensor weights = format.marker_weights({whole, answer}, 5);
  EXPECT_EQ(weights.sum().item<float>(), float(whole.counted() + answer.counted() + 5 * 4));
  EXPECT_EQ(weights[8 + 6].item<float>(), 5) << "the first of [ANS]";
  EXPECT_EQ(weights[8 + 5].item<float>(), 1);
}

TEST(WholeSamples, AreReadBackAndOthersAreNot) {
  const ByteTokenizer tokenizer;
  const WholeSamples format(tokenizer, "[ANS]", 0);
  const auto read = [&](const std::string& text) { return format.read(ids_of(text)); };
  ASSERT_TRUE(read("say 1\n[ANS]no"));
  EXPECT_EQ(text_of(read("say 1\n[ANS]no")->prompt), "say 1\n");
  EXPECT_EQ(text_of(read("say 1\n[ANS]no")->answer), "no");
  for (const char* text : {"say 1 no", "say 1[ANS]no[ANS]", "[ANS]no", "say 1[ANS]", ""})
    EXPECT_FALSE(read(text)) << text;
}

TEST(WholeSamples, ThatAreTooLongLoseTheFrontOfTheirPrompt) {
  const ByteTokenizer tokenizer;
  const WholeSample sample{ids_of("0123456789"), ids_of("no")};
  EXPECT_EQ(text_of(WholeSamples(tokenizer, "!", 12).whole("[G]", sample).ids),
            "<s>[G]6789!no</s>");
  EXPECT_EQ(text_of(WholeSamples(tokenizer, "!", 7).whole("[G]", sample).ids), "<s>[G]!n");
}

TEST(WholeSamples, OfABatchAreItsPromptsAndAnswers) {
  AnswerCourse course("lamol");
  course.begin();
  const ByteTokenizer tokenizer;
  const auto samples = WholeSamples(tokenizer, "!", 0).samples_of(course.batch(2).input);
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_TRUE(text_of(samples[0].prompt).starts_with("say "));
  EXPECT_TRUE(text_of(samples[0].prompt).ends_with("\n"));
  EXPECT_LE(samples[0].answer.size(), 2u);
}

// L = mean over answers' tokens + 0.25 weighted mean over whole samples' tokens.
TEST(Lamol, LossIsThatOfAnswersAndOfWholeSamples) {
  AnswerCourse course("lamol", {"token_weight=3"});
  course.begin();
  const Batch batch = course.batch(4);
  const ByteTokenizer& tokenizer = *static_cast<const ByteTokenizer*>(course.network->tokenizer());
  NoGrad no_grad;
  const Tensor answers = course.losses(batch.input);
  double sum = 0, weights = 0;
  for (const auto& sample : WholeSamples(tokenizer, "[ANS]", 0).samples_of(batch.input)) {
    const std::string text = "[TASK 1]" + text_of(sample.prompt) + "[ANS]" + text_of(sample.answer);
    Ids ids = {ByteTokenizer::kBegin};
    for (const int64_t id : ids_of(text)) ids.push_back(id);
    ids.push_back(ByteTokenizer::kEnd);
    Input input(tensor_of(ids).unsqueeze(0));
    input.loss = at::ones_like(input.data);
    input.loss[0][0] = 0;
    const Tensor each = course.losses(input);
    const auto mark = int64_t(text.find("[ANS]"));
    for (int64_t i = 0; i < each.size(0); ++i) {
      const double weight = i >= mark && i < mark + 5 ? 3 : 1;
      sum += weight * each[i].item<double>();
      weights += weight;
    }
  }
  EXPECT_NEAR(course.learner().loss(batch, {.tokens = answers.size(0)}).item<double>(),
              answers.mean().item<double>() + 0.25 * sum / weights, 1e-4);
}

// 5 samples over two earlier tasks are 2 and 3; all are learned or counted as dropped.
TEST(Lamol, EveryEarlierTaskHasItsExactShare) {
  AnswerCourse course("lamol", {"replay=0.6", "max_tokens=20"});
  course.learn();
  EXPECT_EQ(course.learner().diagnostics(), Json());
  course.learn();
  EXPECT_EQ(course.learner().diagnostics()["samples_asked"], Json({5}));
  course.learn();
  const Json counts = course.learner().diagnostics();
  EXPECT_EQ(counts["samples_asked"], Json({2, 3}));
  for (const auto& dropped : counts["samples_dropped"]) EXPECT_LE(dropped.get<int64_t>(), 3);
}

// Having seen one task's samples often, it writes samples that can be read.
TEST(Lamol, WritesSamplesThatAreLearnedAgain) {
  AnswerCourse course("lamol", {"replay=0.5", "top_k=2", "max_tokens=40"});
  course.begin();
  for (int time = 0; time < 40; ++time) course.rig.learn(*course.task);
  course.begin();
  const Json counts = course.learner().diagnostics();
  EXPECT_EQ(counts["samples_asked"], Json({4}));
  EXPECT_LT(counts["samples_dropped"][0].get<int64_t>(), 4);
  // They are in the loss of the first part alone, and in its divisor in all parts.
  NoGrad no_grad;
  const Batch batch = course.batch(4);
  const int64_t tokens = batch.input.loss.sum().item<int64_t>();
  const Step first{.tokens = tokens}, second{.tokens = tokens, .part = 1, .parts = 2};
  EXPECT_NE(course.learner().loss(batch, first).item<double>(),
            course.learner().loss(batch, second).item<double>());
}

WrittenSamples written(const std::vector<std::pair<std::string, std::string>>& texts) {
  Archive archive;
  std::vector<int64_t> flat, counts = {int64_t(texts.size())}, none = {0};
  for (const auto& [prompt, answer] : texts) {
    const Ids a = ids_of(prompt), b = ids_of(answer);
    flat.insert(flat.end(), {0, int64_t(a.size()), int64_t(b.size())});
    flat.insert(flat.end(), a.begin(), a.end());
    flat.insert(flat.end(), b.begin(), b.end());
  }
  int64_t task = 1;
  archive("task", task);
  archive("asked", counts);
  archive("dropped", none);
  archive("samples", flat);
  Archive reopened = std::move(archive).reopened();
  WrittenSamples samples;
  samples.state(reopened);
  return samples;
}

TEST(WrittenSamples, AreLearnedOnceAnEpoch) {
  const WrittenSamples samples =
      written({{"p1", "a"}, {"p2", "b"}, {"p3", "c"}, {"p4", "d"}, {"p5", "e"}});
  std::vector<std::string> orders;
  for (int64_t epoch = 0; epoch < 3; ++epoch) {
    std::string order;
    for (int64_t step = 0; step < 2; ++step) {
      const auto share = samples.of({.epoch = epoch, .step = step, .steps = 2}, Seeds(3));
      EXPECT_EQ(share.size(), size_t(2 + step));
      for (const auto& [task, sample] : share) order += text_of(sample.answer);
    }
    EXPECT_EQ(std::set<char>(order.begin(), order.end()).size(), 5u);
    orders.push_back(order);
  }
  EXPECT_GT(std::set<std::string>(orders.begin(), orders.end()).size(), 1u);
}

TEST(WrittenSamples, HaveSharesThatDifferByOne) {
  EXPECT_EQ(shares(5, 2), (Ids{2, 3}));
  EXPECT_EQ(shares(7, 3), (Ids{2, 2, 3}));
  EXPECT_EQ(shares(1, 3), (Ids{0, 0, 1}));
  EXPECT_TRUE(shares(5, 0).empty());
}

// The parts of a step add up to the mean over the tokens of batch and written samples.
TEST(WrittenSamples, AreInTheMeanOfAStep) {
  AnswerCourse course("lamol");
  course.begin();
  const ByteTokenizer tokenizer;
  const WholeSamples format(tokenizer, "[ANS]", 0);
  const auto past = written({{"say 9\n", "yes"}}).of({}, Seeds(3));
  const Input input = course.batch(4).input;
  NoGrad no_grad;
  const Tensor fresh = course.losses(input);
  const Tensor again = course.losses(rows_of({format.answer_of(past[0].sample)}, *course.network));
  EXPECT_EQ(again.size(0), 4) << "yes and the end";
  const auto losses = [&](const Input& rows, const Step& step) {
    return replay_losses(
        *course.network, {}, format, rows, step, past, 0,
        [](int64_t task) { return fmt::format("[TASK {}]", task + 1); }, 1);
  };
  const int64_t tokens = fresh.size(0);
  const double mean = at::cat({fresh, again}).mean().item<double>();
  EXPECT_NEAR(losses(input, {.tokens = tokens}).answers.item<double>(), mean, 1e-4);
  const double parts =
      (losses(input.slice(0, 2), {.tokens = tokens, .part = 0, .parts = 2}).answers +
       losses(input.slice(2, 4), {.tokens = tokens, .part = 1, .parts = 2}).answers)
          .item<double>();
  EXPECT_NEAR(parts, mean, 1e-4);
}

// Packed rows are learned as others, and in the first task nothing is compared with the prompt
// before.
TEST(Lfpt5, LearnsAnswersAndWholeSamplesWithAPromptAlone) {
  AnswerCourse course("lfpt5", {"tokens=3", "lm_weight=0.5"});
  course.learn();
  const auto trained = course.learner().trainable();
  ASSERT_EQ(trained.front().tensors.size(), 1u);
  EXPECT_EQ(trained.front().tensors[0].sizes(), at::IntArrayRef({1, 3, 24}));
  AnswerCourse fresh("lfpt5", {"tokens=3", "lm_weight=0.5"});
  fresh.begin();
  const Batch batch = fresh.batch(4);
  fresh.learner().after_step(batch, {});  // before a step it answers without the prompt
  const ByteTokenizer tokenizer;
  const WholeSamples format(tokenizer, "[ANS]", 0);
  NoGrad no_grad;
  const Tensor answers = fresh.losses(batch.input);
  std::vector<AnswerTokens> whole, rows;
  for (const auto& sample : format.samples_of(batch.input)) {
    whole.push_back(format.whole("[GEN]", sample));
    rows.push_back(format.answer_of(sample));
  }
  const Tensor all = fresh.losses(rows_of(whole, *fresh.network));
  const double expected = answers.mean().item<double>() + 0.5 * all.mean().item<double>();
  const Step step{.tokens = answers.size(0)};
  EXPECT_NEAR(fresh.learner().loss(batch, step).item<double>(), expected, 1e-4);
  Batch packed = batch;
  packed.input = answer_rows(rows, tokenizer, /*packed=*/true, 40);
  EXPECT_LT(packed.input.size(), 4);
  EXPECT_NEAR(fresh.learner().loss(packed, step).item<double>(), expected, 1e-4);
}

// LFPT5 with a given prompt, one before the task, and a written sample.
void set_state(AnswerCourse& course, Tensor prompt, Tensor before, WrittenSamples samples) {
  struct Part {
    Tensor tokens;
    void walk(nn::Walk& w) { w("tokens", tokens); }
  };
  bool learned = true;
  int64_t task = 1;
  Part now{std::move(prompt)}, then{std::move(before)};
  Archive archive;
  archive("learned", learned);
  archive("task", task);
  archive("prompt", now);
  archive("before", then);
  archive("written", samples);
  Archive reopened = std::move(archive).reopened();
  course.learner().state(reopened);
}

// κ = 1 leaves the mean over written answers' tokens of KL(p ‖ p_before).
TEST(Lfpt5, KeepsToItsFormerAnswers) {
  AnswerCourse now("lfpt5", {"tokens=2", "consistency=1"}), before("lfpt5", {"tokens=2"});
  Random random(3, 0);
  Tensor a = at::empty({1, 2, 24}), b = at::empty({1, 2, 24});
  nn::init_normal(a, random, 0, 1);
  nn::init_normal(b, random, 0, 1);
  const auto samples = written({{"say 9\n", "yes"}});
  set_state(now, a, b, samples);
  set_state(before, b, b, samples);
  now.task = before.task = *now.stream.next();
  const Batch batch = now.batch(2);
  const ByteTokenizer tokenizer;
  const WholeSamples format(tokenizer, "[ANS]", 0);
  const Input input = rows_of({format.answer_of(samples.of({}, Seeds(5))[0].sample)}, *now.network);
  NoGrad no_grad;
  const auto log_p = [&](AnswerCourse& course) {
    const auto adaptations = course.learner().generator()->adaptations(input);
    return at::log_softmax(answer_scores(*course.network, input, adaptations).scores, -1);
  };
  const Tensor p = log_p(now), q = log_p(before);
  const double divergence = (p.exp() * (p - q)).sum(1).mean().item<double>();
  EXPECT_GT(divergence, 1e-4);
  Step step{.tokens = batch.input.loss.sum().item<int64_t>()};
  EXPECT_NEAR(now.learner().loss(batch, step).item<double>(), divergence, 1e-5);
  step.part = 1;  // the divergence is the step's, not each part's
  EXPECT_NEAR(now.learner().loss(batch, step).item<double>(), 0, 1e-9);
}

}  // namespace
}  // namespace patina

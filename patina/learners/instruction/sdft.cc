// SDFT, "Self-Distillation Enables Continual Learning" (Shenfeld et al., arXiv 2601.19897, 2026):
// the model answers a prompt itself, and learns what it would say of its own answer if it were
// shown the right one as an example. What is learned stays near what the model says anyway.
#include <algorithm>
#include <cmath>
#include <map>

#include "patina/base/error.h"
#include "patina/data/answer_feed.h"
#include "patina/data/demonstrations.h"
#include "patina/learners/instruction/answer_learner.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/models/generate.h"
#include "patina/models/linear_layers.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

namespace {

using Ids = std::vector<int64_t>;

// How a prompt goes on for the teacher (the paper's appendix).
constexpr const char* kDemonstration =
    "\n\nThis is an example for a response to the question:\n{answer}\n\nNow answer with a "
    "response "
    "of your own, including the thinking process:";

}  // namespace

class Sdft : public AnswerLearner {
 public:
  struct Options : LearnerOptions, TuneOptions {
    std::string teacher = "ema";
    double teacher_rate = 0.01;
    double reverse = 0;
    int64_t answer_tokens = 256, skip_tokens = 3;
    double temperature = 1;
    void bind(Fields& f) override {
      f("teacher", teacher,
        "\"ema\": a moving average of the model, which begins each task as the model (the paper); "
        "\"original\": the pre-trained model, which does not drift where tasks are many.",
        {"ema", "original"});
      f("teacher_rate", teacher_rate, "Of ema: how far the teacher follows at each step.",
        {.low = 0, .high = 1, .low_open = true});
      f("reverse", reverse,
        "Which divergence of a token is learned (the paper's α): 0: KL(teacher ‖ model); 1: "
        "KL(model ‖ teacher); between: both from their mixture.",
        between(0, 1));
      f("answer_tokens", answer_tokens, "Largest number of tokens of the model's own answer.",
        at_least(1));
      f("skip_tokens", skip_tokens, "First tokens of an answer that carry no loss.", at_least(0));
      f("temperature", temperature, "At which answers are drawn.", at_least(0));
      TuneOptions::bind(f);
    }
  };

  Sdft(Setup setup, const Options& options) : AnswerLearner(setup, options), options_(options) {
    // Before a state is loaded, the backbone has its initial weights.
    if (options.teacher == "original" && !lora()) take_teacher();
  }

  // The teacher begins as the model.
  void begin_task(const Task&, Trainer&) override {
    if (options_.teacher == "original") return;
    take_teacher();
    follow_model(1);
  }

  // What the teacher is asked about each of the task's texts.
  void fit(const Task& task, Trainer& trainer) override {
    samples_.clear();
    draws_ = seeds()("answers", uint64_t(task.index));
    const Tokenizer& tokenizer = *backbone().tokenizer();
    ends_ = ends_of_text(tokenizer);
    std::vector<PromptAndAnswer> own(size_t(task.train->size()));
    const auto each = [&](const Dataset& data, const auto& body) {
      trainer.each_batch(data, "prompts", [&](const Batch& batch) {
        const auto texts = texts_of(batch.input);
        const auto rows = items_of(batch.row);
        for (size_t i = 0; i < texts.size(); ++i) body(size_t(rows[i]), texts[i]);
      });
    };
    each(*task.train, [&](size_t row, const PromptAndAnswer& text) {
      own[row] = text;
      add_end(text.answer, tokenizer);
    });
    const Demonstrations shown(*task.train, kDemonstration);
    each(shown.data(), [&](size_t row, const PromptAndAnswer& text) {
      samples_.insert({own[row], {.number = row, .prompt = text.prompt}});
    });
    AnswerLearner::fit(task, trainer);
  }

  // Σ_t D(teacher, model) over the tokens of the model's own answers but the first, given what came
  // before in the answer. It is divided by their number, which is known once the last part of the
  // batch was learned: here by that of the batch's own tokens, and the rest in after_backward.
  Tensor loss(const Batch& batch, const Step& step) override {
    if (step.part == 0) counted_ = 0;
    const Pair pair = answered(batch.input, step.epoch);
    int64_t count = 0;
    for (const auto& row : pair.model) count += row.counted();
    if (count == 0)
      return at::zeros({}, at::TensorOptions(backbone().place().device)).requires_grad_();
    counted_ += count;
    const Tensor told = [&] {
      NoGrad no_grad;
      const Input input = input_of(pair.teacher);
      return (teacher_ ? answer_scores(*teacher_, input, {}) : answer_scores(backbone(), input, {}))
          .scores.to(at::kFloat);
    }();
    const Tensor said = answers(input_of(pair.model)).scores.to(at::kFloat);
    return divergence(told, said).sum() / double(step.tokens);
  }

  bool divides() const override { return false; }  // tokens are counted

  void after_backward(const Step& step) override {
    if (counted_ == 0) return;
    for (const auto& item : learned())
      if (item.tensor.grad().defined())
        item.tensor.mutable_grad().mul_(double(step.tokens) / double(counted_));
  }

  void after_step(const Batch&, const Step&) override {
    if (options_.teacher == "ema") follow_model(options_.teacher_rate);
  }

  void end_task(const Task&, Trainer&) override {
    samples_.clear();
    if (options_.teacher == "ema") teacher_.reset();
  }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    if (options_.teacher == "original") return;
    bool in_task = teacher_ != nullptr;
    a("in_task", in_task);
    if (!in_task) return teacher_.reset();
    if (a.loading()) take_teacher();
    a("teacher", *teacher_);
  }

 private:
  struct Sample {
    size_t number = 0;  // in the task
    Ids prompt;         // the teacher's
  };
  struct Pair {
    std::vector<AnswerTokens> model, teacher;
  };

  void take_teacher() {
    teacher_ = backbone().clone();
    nn::freeze(*teacher_);
  }

  // φ <- φ + part (θ - φ), with θ the weights and the LoRA's change merged: the mean of a LoRA's
  // factors would not have the mean of the changes.
  void follow_model(double part) {
    follow(nn::tensors(*teacher_), weights_of(backbone()), 1 - part);
    if (!lora()) return;
    auto updates = lora()->updates();
    for (auto& update : updates) update.scale *= part;
    const TowerShape tower = backbone().tower();
    adapt::Lora change(updates, tower.block, tower.layers);
    change.set_tower(tower.tower);
    merge_lora(*teacher_, change);
  }

  // The last special token of an answer in the data, such as a template's end of a turn.
  void add_end(const Ids& answer, const Tokenizer& tokenizer) {
    for (size_t t = answer.size(); t-- > 0;) {
      const int64_t id = answer[t];
      if (!tokenizer.decode(std::span(&id, 1), /*skip_special=*/true).empty()) continue;
      if (std::ranges::count(ends_, id) == 0) ends_.push_back(id);
      return;
    }
  }

  // Each prompt with the answer that the model draws for it, and the teacher's prompt with the same
  // answer. Draws depend on task, epoch and sample, not on the batch.
  Pair answered(const Input& input, int64_t epoch) const {
    NoGrad no_grad;
    const auto texts = texts_of(input);
    std::vector<AnswerTokens> prompts;
    std::vector<const Sample*> samples;
    std::vector<Random> randoms;
    for (const PromptAndAnswer& text : texts) {
      const auto known = samples_.find(text);
      PATINA_CHECK(known != samples_.end(), "a text that is not of the task");
      samples.push_back(&known->second);
      prompts.push_back({.ids = text.prompt, .loss = Ids(text.prompt.size(), 0)});
      randoms.push_back(draws_.at(uint64_t(epoch)).at(samples.back()->number));
    }
    const Input asked = input_of(prompts);
    const auto said =
        generate(backbone(), asked, ends_,
                 {.max_tokens = options_.answer_tokens, .temperature = options_.temperature},
                 adaptations(asked), {}, randoms);
    const int64_t longest = backbone().text_input().value_or(TextInput{}).longest;
    const int64_t most = longest > 0
                             ? std::min(options_.answer_tokens, longest - asked.data.size(1))
                             : options_.answer_tokens;
    Pair pair;
    for (size_t i = 0; i < said.size(); ++i) {
      Ids answer = said[i];
      // That it ends is predicted, too; which token stands there does not matter.
      if (int64_t(answer.size()) < most && !ends_.empty()) answer.push_back(ends_.front());
      pair.model.push_back(with_answer(prompts[i].ids, answer));
      pair.teacher.push_back(with_answer(shortened(samples[i]->prompt, answer.size()), answer));
    }
    return pair;
  }

  // A prompt that leaves no room for an answer loses its front, as a feed's does.
  Ids shortened(Ids prompt, size_t answer) const {
    const auto longest = size_t(backbone().text_input().value_or(TextInput{}).longest);
    if (longest == 0 || prompt.size() + answer <= longest) return prompt;
    const auto from = prompt.begin() + ptrdiff_t(backbone().tokenizer()->frame().before.size());
    prompt.erase(from, from + ptrdiff_t(prompt.size() + answer - longest));
    return prompt;
  }

  AnswerTokens with_answer(const Ids& prompt, const Ids& answer) const {
    AnswerTokens tokens{.ids = prompt, .loss = Ids(prompt.size(), 0)};
    for (size_t t = 0; t < answer.size(); ++t) {
      tokens.ids.push_back(answer[t]);
      tokens.loss.push_back(int64_t(t) >= options_.skip_tokens);
    }
    return tokens;
  }

  Input input_of(const std::vector<AnswerTokens>& rows) const {
    return answer_rows(rows, *backbone().tokenizer(), /*packed=*/false)
        .on(backbone().place().device);
  }

  // Of every token, over all words, in nats: [N]. told, said [N,V].
  Tensor divergence(const Tensor& told, const Tensor& said) const {
    const auto apart = [](const Tensor& log_p, const Tensor& log_q) {
      return (at::exp(log_p) * (log_p - log_q)).sum(-1);
    };
    const Tensor teacher = at::log_softmax(told, -1), model = at::log_softmax(said, -1);
    const double alpha = options_.reverse;
    if (alpha == 0) return apart(teacher, model);
    if (alpha == 1) return apart(model, teacher);
    const Tensor both =
        at::logsumexp(at::stack({model + std::log(1 - alpha), teacher + std::log(alpha)}), 0);
    return apart(model, both) * (1 - alpha) + apart(teacher, both) * alpha;
  }

  Options options_;
  std::unique_ptr<Backbone> teacher_;  // null: the backbone without the LoRA
  Random draws_;
  Ids ends_;  // tokens that end an answer
  std::map<PromptAndAnswer, Sample> samples_;
  int64_t counted_ = 0;  // tokens of the step's answers that carried loss
};

LearnerRow sdft_learner() {
  return learner_row<Sdft>(
      {.paper = "Shenfeld et al., 2026",
       .about = "Learns on the model's own answers what it would have said had it been shown the "
                "right one. Needs a model that learns from examples in its prompt.",
       .stores = "One LoRA, or the network; within a task a moving average of the network.",
       .differs = "The teacher follows the weights with the LoRA merged; TRL averages the LoRA's "
                  "factors. The loss is divided by the tokens of all parts of a batch.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 2,
                    .batch_size = 32,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-5, .schedule = "cosine"}}});
}

}  // namespace patina

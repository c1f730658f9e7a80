// LFPT5 (Qin and Joty, "LFPT5: A Unified Framework for Lifelong Few-shot Language Learning Based on
// Prompt Tuning of T5", ICLR 2022): one prompt learns every task, and to write its samples. Before
// a task it writes samples of earlier ones, on which it then keeps to its former answers.
#include <cmath>

#include "patina/base/json.h"
#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learners/instruction/prompts.h"
#include "patina/learners/instruction/written_samples.h"
#include "patina/models/answer_scores.h"
#include "patina/ops.h"

namespace patina {

namespace {

std::optional<std::string> no_answers(const Backbone& backbone) {
  if (!backbone.has_decoder()) return Network::decoder.lack(backbone);
  if (backbone.tokenizer()) return {};
  return "answers with text, but there is no tokenizer beside the model's weights: put the model's "
         "tokenizer files there";
}

constinit const Network kAnswers{"decoder or encoder-decoder", no_answers};

}  // namespace

class Lfpt5 : public Generator {
 public:
  struct Options : LearnerOptions {
    int64_t tokens = 300;
    int64_t written_per_task = 16;
    double lm_weight = 0.25;
    double consistency = 0.01;
    std::string answer = "[ANS]";
    int64_t top_k = 64;
    double repetition_penalty = 2.5;
    int64_t max_tokens = 256;
    void bind(Fields& f) override {
      f("tokens", tokens, "Length of the prompt.", sized(1));
      f("written_per_task", written_per_task, "Samples written of each earlier task before a task.",
        at_least(0));
      f("lm_weight", lm_weight, "Lambda: weight of the loss of whole samples.", at_least(0));
      f("consistency", consistency,
        "Kappa: part of the loss that the divergence from the prompt before the task has, on "
        "written samples.",
        {.low = 0, .high = 1});
      f("answer", answer, "The marker between prompt and answer of a whole sample.");
      f("top_k", top_k, "Samples are written with the k likeliest tokens; 0: with all.",
        at_least(0));
      f("repetition_penalty", repetition_penalty,
        "Above 1: tokens that a sample has already become less likely.", above(0));
      f("max_tokens", max_tokens,
        "Longest sample that is written; what has not ended there is dropped.", at_least(2));
      f.require(!answer.empty(), "answer", "is empty");
    }
  };

  Lfpt5(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        options_(options),
        format_(*backbone_.tokenizer(), options.answer, backbone_.text_input()->longest,
                backbone_.has_decoder()) {
    Random random = seeds_("prompt");
    prompt_ = make_prompt({.tokens = options.tokens, .deep = false}, backbone_.tower(), random);
    before_ = nn::copy_of(*prompt_);
    nn::freeze(*before_);
  }

  void begin_task(const Task& task, Trainer&) override {
    task_ = task.index;
    before_ = nn::copy_of(*prompt_);
    nn::freeze(*before_);
    const auto tasks = size_t(task_);
    written_.write(backbone_, {before_.get()}, format_, std::vector<std::string>(tasks, kMarker),
                   std::vector<int64_t>(tasks, options_.written_per_task),
                   {.max_tokens = options_.max_tokens,
                    .temperature = 1,
                    .top_k = options_.top_k,
                    .repetition_penalty = options_.repetition_penalty},
                   seeds_, task_);
  }

  // L = (1 - κ) (L_answers + λ L_whole) + κ KL(p ‖ p_before), the divergence on the step's written
  // samples. Without one, κ is 0.
  Tensor loss(const Batch& batch, const Step& step) override {
    const Input input = unpacked(batch.input);  // prompts stand in rows of one text
    const auto past = written_.of(step, seeds_);
    const auto losses = replay_losses(
        backbone_, {prompt_.get()}, format_, input, step, past, task_,
        [](int64_t) { return kMarker; }, /*marker_weight=*/1);
    Tensor learned = losses.answers + options_.lm_weight * losses.whole;
    if (past.empty()) return learned;
    Tensor loss = (1 - options_.consistency) * learned;
    if (step.part > 0) return loss;
    std::vector<AnswerTokens> answers;
    for (const auto& written : past) answers.push_back(format_.answer_of(written.sample));
    return loss + options_.consistency * divergence(rows_of(answers, backbone_));
  }

  // Until then it answers as the pre-trained model.
  void after_step(const Batch&, const Step&) override { learned_ = true; }

  nn::Adaptations adaptations(const Input&) const override {
    return learned_ ? nn::Adaptations{prompt_.get()} : nn::Adaptations{};
  }
  std::vector<ParamGroup> trainable() override { return {trainable_group(*prompt_)}; }
  Json diagnostics() const override { return written_.diagnostics(); }

  void state(Archive& a) override {
    a("learned", learned_);
    a("task", task_);
    a("prompt", *prompt_);
    a("before", *before_);
    a("written", written_);
  }

 private:
  static constexpr const char* kMarker = "[GEN]";

  // The mean over the answers' tokens of KL(p ‖ p_before).
  Tensor divergence(const Input& input) const {
    const auto log_p = [&](adapt::Prompt& prompt) {
      return at::log_softmax(answer_scores(backbone_, input, {&prompt}).scores, -1, at::kFloat);
    };
    const Tensor before = [&] {
      NoGrad no_grad;
      return log_p(*before_);
    }();
    const Tensor now = log_p(*prompt_);
    return (now.exp() * (now - before)).sum(1).mean();
  }

  Backbone& backbone_;
  Seeds seeds_;
  Options options_;
  WholeSamples format_;
  bool learned_ = false;  // a step
  int64_t task_ = 0;
  std::unique_ptr<adapt::Prompt> prompt_, before_;
  WrittenSamples written_;  // of earlier tasks, for the present one
};

LearnerRow lfpt5_learner() {
  return learner_row<Lfpt5>(
      {.paper = "Qin and Joty, ICLR 2022",
       .about =
           "Learns one prompt for all tasks, which also writes samples of earlier tasks and is "
           "kept to its former answers to them.",
       .stores = "The prompt, and during a task its copy and the written samples.",
       .differs = "The network is a T5, as the authors', or a decoder. The prompt stands behind "
                  "the input's first token, the authors' behind the input. It is trained by AdamW "
                  "instead of Adafactor. A written sample is kept if it can be parsed, since "
                  "answers are texts and none is invalid; how many were dropped is in the record.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = kAnswers,
       .training = {.epochs = 30,
                    .batch_size = 8,
                    .optimizer = {.optimizer = "adamw", .lr = 0.01, .schedule = "constant"}}});
}

}  // namespace patina

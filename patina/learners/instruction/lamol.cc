// LAMOL (Sun et al., "LAMOL: LAnguage MOdeling for Lifelong Language Learning", ICLR 2020): the
// model learns to answer and to write whole samples of its tasks. Before a task it writes samples
// of the earlier ones, which are learned with the new ones.
#include <cmath>

#include "patina/base/json.h"
#include "patina/learners/instruction/answer_learner.h"
#include "patina/learners/instruction/written_samples.h"
#include "patina/ops.h"

namespace patina {

class Lamol : public AnswerLearner {
 public:
  struct Options : LearnerOptions, TuneOptions {
    double replay = 0.2;
    double lm_weight = 0.25;
    double token_weight = 5;
    bool task_markers = true;
    std::string answer = "[ANS]";
    int64_t top_k = 20;
    double temperature = 1;
    int64_t max_tokens = 1024;
    Options() { tune = "full"; }
    void bind(Fields& f) override {
      f("replay", replay,
        "Gamma: samples written before a task, as a part of the task's own; as many of each "
        "earlier task.",
        at_least(0));
      f("lm_weight", lm_weight, "Lambda: weight of the loss of whole samples.", at_least(0));
      f("token_weight", token_weight, "Weight of the answer's marker in that loss.", above(0));
      f("task_markers", task_markers,
        "Whether whole samples begin with a marker of their task, \"[TASK 1]\"; otherwise all "
        "with \"[GEN]\".");
      f("answer", answer, "The marker between prompt and answer of a whole sample.");
      f("top_k", top_k, "Samples are written with the k likeliest tokens; 0: with all.",
        at_least(0));
      f("temperature", temperature, "Divides the scores before a token of a sample is drawn.",
        above(0));
      f("max_tokens", max_tokens,
        "Longest sample that is written; what has not ended there is dropped.", at_least(2));
      TuneOptions::bind(f);
      f.require(!answer.empty(), "answer", "is empty");
    }
  };

  Lamol(Setup setup, const Options& options)
      : AnswerLearner(setup, options),
        options_(options),
        format_(*backbone().tokenizer(), options.answer, backbone().text_input()->longest) {}

  void begin_task(const Task& task, Trainer&) override {
    task_ = task.index;
    const auto all = int64_t(std::llround(options_.replay * double(task.train->size())));
    std::vector<std::string> markers;
    for (int64_t old = 0; old < task_; ++old) markers.push_back(marker(old));
    written_.write(backbone(), adaptations(Input()), format_, markers, shares(all, task_),
                   {.max_tokens = options_.max_tokens,
                    .temperature = options_.temperature,
                    .top_k = options_.top_k},
                   seeds(), task_);
  }

  // L = L_answers + λ L_whole.
  Tensor loss(const Batch& batch, const Step& step) override {
    const auto losses = replay_losses(
        backbone(), adaptations(batch.input), format_, batch.input, step,
        written_.of(step, seeds()), task_, [&](int64_t task) { return marker(task); },
        options_.token_weight);
    return losses.answers + options_.lm_weight * losses.whole;
  }

  Json diagnostics() const override { return written_.diagnostics(); }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    a("task", task_);
    a("written", written_);
  }

 private:
  std::string marker(int64_t task) const {
    return options_.task_markers ? fmt::format("[TASK {}]", task + 1) : "[GEN]";
  }

  Options options_;
  WholeSamples format_;
  int64_t task_ = 0;
  WrittenSamples written_;  // of earlier tasks, for the present one
};

LearnerRow lamol_learner() {
  return learner_row<Lamol>(
      {.paper = "Sun et al., ICLR 2020",
       .about =
           "Learns to write whole samples of its tasks as well as to answer, and before a task "
           "writes samples of the earlier ones, which it learns again.",
       .stores = "The network, or one LoRA, and during a task the written samples.",
       .differs = "Markers are written with the tokens that the model has, and answers are asked "
                  "for without one. The rate falls by a cosine instead of linearly. Every earlier "
                  "task has its exact share of the samples; the "
                  "authors' code loses what does not divide. How many were dropped is in the "
                  "record.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = {.epochs = 9,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw",
                                  .lr = 6.25e-5,
                                  .weight_decay = 0.01,
                                  .schedule = "cosine",
                                  .clip_norm = 1}}});
}

}  // namespace patina

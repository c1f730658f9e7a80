// Supervised fine-tuning with replay: a fixed part of every epoch's samples are kept ones of
// earlier tasks, the baseline that every report on continual instruction tuning has. Scialom et
// al., "Fine-tuned Language Models are Continual Learners", EMNLP 2022; Wang et al., "TRACE", 2023.
#include "patina/data/mixer.h"
#include "patina/learners/instruction/answer_learner.h"
#include "patina/memory/sample_memory.h"

namespace patina {

class SftReplay : public AnswerLearner {
 public:
  struct Options : LearnerOptions, AnswerLearnerOptions {
    double replay = 0.1;
    int64_t memory_per_task = 100;
    void bind(Fields& f) override {
      f("replay", replay, "Part of an epoch's samples that are from earlier tasks.",
        {.low = 0, .high = 1, .high_open = true});
      f("memory_per_task", memory_per_task,
        "Samples of each task that are kept, drawn when it ends.", at_least(1));
      AnswerLearnerOptions::bind(f);
    }
  };

  SftReplay(Setup setup, const Options& options)
      : AnswerLearner(setup, options), options_(options), samples_(setup.loader()) {}

  // Every sample of the task, and as many kept ones as make the part.
  Dataset samples_of(const Task& task, int64_t epoch) const override {
    const Dataset both = task.train->joined(samples_.dataset(kept_));
    const Seeds mix(seeds()("mix", uint64_t(task.index)).bits());
    std::vector<int64_t> rows;
    for (const auto& [source, sample] :
         mixed_rows(task.train->size(), kept_.size(), options_.replay, mix, epoch))
      rows.push_back(source == 0 ? sample : task.train->size() + sample);
    return both.select(rows);
  }

  void end_task(const Task& task, Trainer&) override {
    const auto chosen = drawn(size_t(options_.memory_per_task), size_t(task.train->size()),
                              seeds()("memory", uint64_t(task.index)));
    for (const size_t i : chosen) kept_.add(task.train->handle(int64_t(i)));
  }

  void state(Archive& a) override {
    AnswerLearner::state(a);
    a("kept", kept_);
  }

 private:
  Options options_;
  const SampleLoader& samples_;
  SampleHandles kept_;
};

LearnerRow sft_replay_learner() {
  return learner_row<SftReplay>(
      {.paper = "Scialom et al., EMNLP 2022",
       .about =
           "Mixes kept samples of earlier tasks into each task's, a fixed part of every epoch.",
       .stores = "One LoRA, or the network, and some samples of every task.",
       .differs = "The part is exact in every epoch, and the kept samples take turns. General "
                  "instruction data is not mixed in unless it is a task of the stream.",
       .needs = {.boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = Network::decoder,
       .training = {.epochs = 3,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina

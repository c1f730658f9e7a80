// Mix-review (He et al., "Analyzing the Forgetting Problem in Pretrain-Finetuning of Open-domain
// Dialogue Response Models", EACL 2021; for continual pre-training Jang et al., "Towards Continual
// Knowledge Learning of Language Models", ICLR 2022): every epoch adds data of pre-training to that
// of the task, less of it from epoch to epoch. A run has no data of the model's own pre-training;
// the stream's first tasks stand for it, so a general text comes first.
#include <cmath>

#include "patina/learners/pretraining/round_replay.h"

namespace patina {

class MixReview : public RoundReplay {
 public:
  struct Options : LearnerOptions, TuneOptions, RoundOptions {
    double mix_ratio = 4;
    double mix_decay = 0.7;
    int64_t general_tasks = 1;
    int64_t memory_per_task = 1000;
    Options() { tune = "full"; }
    void bind(Fields& f) override {
      f("mix_ratio", mix_ratio,
        "Tokens of general text in a task's first epoch, as a multiple of the task's own.",
        at_least(0));
      f("mix_decay", mix_decay, "Factor of that from epoch to epoch.", between(0, 1));
      f("general_tasks", general_tasks,
        "The first tasks of the stream, whose text stands for that of pre-training.", at_least(1));
      f("memory_per_task", memory_per_task,
        "Samples of each of these tasks that are kept, drawn when it ends.", at_least(1));
      RoundOptions::bind(f);
      TuneOptions::bind(f);
    }
  };

  MixReview(Setup setup, const Options& options)
      : RoundReplay(setup, options, options, options.memory_per_task),
        mix_ratio_(options.mix_ratio),
        mix_decay_(options.mix_decay),
        general_tasks_(options.general_tasks) {}

  // The task's samples, all of them, and ratio * decay^epoch as many tokens of general text.
  Dataset samples_of(const Task& task, int64_t epoch) const override {
    const double general = mix_ratio_ * std::pow(mix_decay_, double(epoch));
    return memory().mixed(task, epoch, 1, memory().divided(general));
  }

  void end_task(const Task& task, Trainer&) override {
    if (task.index < general_tasks_) memory().end(task);
  }

 private:
  double mix_ratio_, mix_decay_;
  int64_t general_tasks_;
};

LearnerRow mix_review_learner() {
  return learner_row<MixReview>(
      {.paper = "He et al., EACL 2021",
       .about = "Adds general text to every epoch of a task, ever less of it.",
       .stores = "The network, and samples of the general tasks.",
       .differs = "The stream's first tasks stand for the data of pre-training, which a run does "
                  "not have.",
       .needs = {.boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = Network::decoder,
       .training = {.epochs = 4,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adamw", .lr = 1e-4, .schedule = "cosine"}}});
}

}  // namespace patina

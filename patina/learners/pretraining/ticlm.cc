// TiC-LM's recipe (Li et al., "TiC-LM: A Web-Scale Benchmark for Time-Continual LLM Pretraining",
// ACL 2025): half of each round's tokens are new and the other half is spread evenly over all
// earlier rounds; the rate's maximum falls from round to round as if along one cosine that is
// stretched for each of them.
#include "patina/learners/pretraining/round_replay.h"

namespace patina {

class TicLm : public RoundReplay {
 public:
  struct Options : LearnerOptions, TuneOptions, RoundOptions {
    double replay = 0.5;
    bool even = false;
    int64_t memory_per_task = 1000;
    Options() { tune = "full"; }
    void bind(Fields& f) override {
      f("replay", replay,
        "Part of a round's tokens that are of earlier rounds, of each of these equally many.",
        {.low = 0, .high = 1, .high_open = true});
      f("even", even,
        "The new round gets no more than each earlier one, 1/t in round t, whatever `replay` is.");
      f("memory_per_task", memory_per_task,
        "Samples of each round that are kept, drawn when it ends.", at_least(1));
      RoundOptions::bind(f);
      TuneOptions::bind(f);
    }
  };

  TicLm(Setup setup, const Options& options)
      : RoundReplay(setup, options, options, options.memory_per_task),
        replay_(options.replay),
        even_(options.even) {}

  Dataset samples_of(const Task& task, int64_t epoch) const override {
    const auto earlier = double(memory().rounds());
    if (earlier == 0) return memory().mixed(task, epoch, 1, {});
    const double old = even_ ? earlier / (earlier + 1) : replay_;
    return memory().mixed(task, epoch, 1 - old,
                          std::vector<double>(size_t(memory().rounds()), old / earlier));
  }

 private:
  double replay_;
  bool even_;
};

LearnerRow ticlm_learner() {
  return learner_row<TicLm>(
      {.paper = "Li et al., ACL 2025",
       .about = "Mixes new text with as much of all earlier rounds, each giving equally many "
                "tokens, under rates whose maximum falls from round to round.",
       .stores = "The network, and samples of every round.",
       .differs = "The paper replays all of the old data; a memory keeps a drawn part of it.",
       .needs = {.boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 256,
                    .optimizer = {.optimizer = "adamw",
                                  .lr = 3e-4,
                                  .beta2 = 0.95,
                                  .weight_decay = 0.033,
                                  .schedule = "falling_cosine",
                                  .min_lr = 3e-5,
                                  .warmup_epochs = 0.01,
                                  .clip_norm = 1}}});
}

}  // namespace patina

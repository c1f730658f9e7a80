// Re-warming, re-decaying and replay (Gupta et al., "Continual Pre-Training of Large Language
// Models: How to (re)warm your model?", 2023; Ibrahim et al., "Simple and Scalable Strategies to
// Continually Pre-train Large Language Models", TMLR 2024): in every round the rate rises to the
// same maximum and falls again, and a small part of the tokens is old. What is replayed takes the
// place of new text, so a round costs the same.
#include "patina/learners/pretraining/round_replay.h"

namespace patina {

class RewarmReplay : public RoundReplay {
 public:
  struct Options : LearnerOptions, TuneOptions, RoundOptions {
    double replay = 0.05;
    int64_t memory_per_task = 1000;
    Options() { tune = "full"; }
    void bind(Fields& f) override {
      f("replay", replay, "Part of a round's tokens that are of earlier rounds.",
        {.low = 0, .high = 1, .high_open = true});
      f("memory_per_task", memory_per_task,
        "Samples of each round that are kept, drawn when it ends.", at_least(1));
      RoundOptions::bind(f);
      TuneOptions::bind(f);
    }
  };

  RewarmReplay(Setup setup, const Options& options)
      : RoundReplay(setup, options, options, options.memory_per_task), replay_(options.replay) {}

  // Each earlier round gives as much as is kept of it.
  Dataset samples_of(const Task& task, int64_t epoch) const override {
    const double old = memory().rounds() > 0 ? replay_ : 0;
    return memory().mixed(task, epoch, 1 - old, memory().divided(old));
  }

 private:
  double replay_;
};

LearnerRow rewarm_replay_learner() {
  return learner_row<RewarmReplay>(
      {.paper = "Ibrahim et al., TMLR 2024",
       .about = "Warms the rate up again and lets it fall in every round, and replaces an exact "
                "part of a round's tokens by kept ones of earlier rounds.",
       .stores = "The network, and samples of every round.",
       .differs = "The part is exact in every epoch, to within a sample. The paper replays all of "
                  "the old data; a memory keeps a drawn part of it.",
       .needs = {.boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = Network::decoder,
       .training = {.epochs = 1,
                    .batch_size = 1104,
                    .optimizer = {.optimizer = "adamw",
                                  .lr = 3e-4,
                                  .beta2 = 0.95,
                                  .weight_decay = 0.1,
                                  .schedule = "rewarm_cosine",
                                  .min_lr = 3e-5,
                                  .warmup_epochs = 0.01,
                                  .clip_norm = 1}}});
}

}  // namespace patina

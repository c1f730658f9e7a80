// CoFiMA (Marouf et al., "Weighted Ensemble Models Are Strong Continual Learners", ECCV 2024):
// CoMA, but each weight of the two networks counts by its diagonal Fisher information: how much the
// loss of its own task depends on it.
#include "patina/learn/fisher.h"
#include "patina/learn/slow_learner.h"
#include "patina/nn/losses.h"

namespace patina {

class Cofima : public SlowLearner {
 public:
  struct Options : LearnerOptions, SlowLearnerOptions {
    double part = 0.4;
    FisherOptions fisher{.granularity = "batch", .clip = 1e-4};
    void bind(Fields& f) override {
      SlowLearnerOptions::bind(f);
      f("part", part, "Of the network that the task trained, in the average.", between(0, 1));
      f.section("fisher", fisher, "How much each weight counts.");
    }
  };

  Cofima(Setup setup, const Options& options) : SlowLearner(setup, options), options_(options) {}

  void end_task(const Task& task, Trainer& trainer) override {
    SlowLearner::end_task(task, trainer);
    previous_ = copied(network());
  }

  void state(Archive& a) override {
    SlowLearner::state(a);
    a("previous", previous_);
    a("fisher", fisher_);
  }

 private:
  // θ = ((1-α) F₀ θ₀ + α F₁ θ₁) / ((1-α) F₀ + α F₁), with θ₀ the previous network that scored, θ₁
  // what the task trained and F the information of cross-entropy over all classes seen. The new
  // head, which θ₀ lacks, stays as it is.
  void consolidate(const Task& task, Trainer& trainer) override {
    Weights fisher =
        diagonal_fisher(options_.fisher, network(), *task.train, trainer,
                        seeds()("fisher", uint64_t(task.index)), [this](const Batch& batch) {
                          return nn::cross_entropy(heads()(features(batch.input)), batch.target);
                        });
    auto known = network();
    known.resize(previous_.size());
    const Weights of_known(fisher.begin(), fisher.begin() + int64_t(known.size()));
    assign(known, fisher_mixed(previous_, fisher_, copied(known), of_known, options_.part));
    fisher_ = std::move(fisher);
  }

  Options options_;
  Weights previous_, fisher_;  // of network(); empty before the first task's end
};

LearnerRow cofima_learner() {
  return learner_row<Cofima>(
      "Marouf et al., ECCV 2024",
      "SLCA whose network is averaged with the previous one, weight by weight by their Fisher "
      "information.",
      {.task_id_at_train = true, .boundaries = true, .many_passes = true},
      {.epochs = 20,
       .batch_size = 128,
       .optimizer = {.lr = 0.01, .weight_decay = 5e-4, .schedule = "step", .milestones = {18}}});
}

}  // namespace patina

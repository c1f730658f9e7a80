// CLIB: every sample goes through the memory, and only the memory is trained on; the sample whose
// training lowered the loss of the others least is replaced first. The learning rate adapts by a
// test of whether a lower rate lowers the memory's loss faster. Koh et al., "Online Continual
// Learning on Class Incremental Blurry Task Configuration with Anytime Inference", ICLR 2022.
#include <cmath>

#include "patina/algebra/welch_test.h"
#include "patina/base/json.h"
#include "patina/learn/network_learner.h"
#include "patina/memory/sample_memory.h"
#include "patina/ops.h"

namespace patina {

class Clib : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    int64_t memory = 500, memory_batch = 16, importance_every = 1;
    double keep = 0.9, rate_step = 0.95;
    int64_t rate_every = 10;
    bool adapt_rate = true;
    void bind(Fields& f) override {
      f("memory", memory, "Samples that may be kept.", at_least(1));
      f("memory_batch", memory_batch, "Samples of the memory in a step.", at_least(1));
      f("importance_every", importance_every,
        "Steps between two looks at the loss of the whole memory.", at_least(1));
      f("keep", keep, "What a look leaves of a sample's importance: a moving average.",
        {.low = 0, .high = 1, .high_open = true});
      f("adapt_rate", adapt_rate, "Whether the learning rate adapts.");
      f("rate_every", rate_every, "Steps with the higher rate before as many with the lower.",
        at_least(1));
      f("rate_step", rate_step, "The lower rate over the higher.",
        {.low = 0, .high = 1, .low_open = true, .high_open = true});
    }
  };

  Clib(Setup setup, const Options& options)
      : NetworkLearner(setup), options_(options), samples_(setup.loader()) {}

  void observe(const Batch& batch, Trainer& trainer) override {
    for (const auto& sample : batch.handles()) {
      insert(sample);
      for (int64_t u = 0; u < trainer.options().updates_per_batch; ++u) train(trainer);
    }
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    kept_.state(a);
    a("importance", importance_);
    a("losses", losses_);
    a("fresh", fresh_);
    a("high", high_);
    a("steps", steps_);
    a("high_log", high_log_);
    a("low_log", low_log_);
  }

  Json diagnostics() const override { return {{"rate_factor", high_}}; }

 private:
  // Replaces the least important sample of the class with most samples, counting the new one.
  void insert(const SampleHandle& sample) {
    const int64_t target = sample.target();
    if (kept_.size() < options_.memory) {
      kept_.add(sample);
      importance_.push_back(0);
      losses_.push_back(0);
      fresh_.push_back(1);
      return;
    }
    std::vector<int64_t> counts(size_t(head().classes()));
    for (const auto& other : kept_) ++counts[size_t(other.target())];
    ++counts[size_t(target)];
    const int64_t largest = std::ranges::max_element(counts) - counts.begin();
    const auto count = size_t(kept_.size());
    size_t worst = count;
    for (size_t i = 0; i < count; ++i)
      if (kept_[i].target() == largest && (worst == count || importance_[i] < importance_[worst]))
        worst = i;
    if (worst == count) return;  // the new sample is the only one of its class
    kept_.replace(worst, sample);
    importance_[worst] = 0;
    fresh_[worst] = 1;
  }

  void train(Trainer& trainer) {
    const auto slots = drawn(size_t(options_.memory_batch), size_t(kept_.size()),
                             seeds()("memory batch", uint64_t(steps_)));
    trainer.descend(*this, batch_of(slots, seeds()("augment", uint64_t(steps_))),
                    high_ * (lower_now() ? options_.rate_step : 1));
    if (++steps_ % options_.importance_every == 0) look(slots);
  }

  Batch batch_of(const std::vector<size_t>& slots, Random augment) const {
    return samples_(kept_.at(slots), augment);
  }

  // Computes all current losses. The mean decrease of the other samples' losses is credited to the
  // samples just trained on: H ← H - (1 - keep) D with D = mean(ℓ - ℓ_before) - mean(H of those) /
  // |B|.
  void look(const std::vector<size_t>& trained) {
    NoGrad no_grad;
    constexpr size_t kAtOnce = 128;
    double change = 0;
    int64_t known = 0;
    const auto count = size_t(kept_.size());
    for (size_t from = 0; from < count; from += kAtOnce) {
      std::vector<size_t> slots;
      for (size_t i = from; i < std::min(from + kAtOnce, count); ++i) slots.push_back(i);
      const Batch batch = batch_of(slots, seeds()("look"));
      const Tensor log_p = at::log_softmax(outputs(batch.input), -1);
      const Tensor loss = -log_p.gather(1, batch.target.unsqueeze(1)).squeeze(1).to(at::kDouble);
      for (size_t i = 0; i < slots.size(); ++i) {
        const double now = loss[int64_t(i)].item<double>();
        double& before = losses_[slots[i]];
        if (!std::exchange(fresh_[slots[i]], 0)) {
          change += now - before;
          ++known;
        }
        before = now;
      }
    }
    if (known == 0) return;
    change /= double(known);
    double credit = 0;
    for (const size_t slot : trained) credit += importance_[slot] / double(trained.size());
    const double gain = change - credit / double(trained.size());
    for (const size_t slot : trained) importance_[slot] -= (1 - options_.keep) * gain;
    if (options_.adapt_rate) adapt(-change);
  }

  bool lower_now() const { return options_.adapt_rate && steps_ / options_.rate_every % 2 == 1; }

  // Alternates blocks of steps at the higher and the lower rate. When both logs have ten entries,
  // the better rate becomes the higher of the next two.
  void adapt(double fall) {
    constexpr size_t kEntries = 10;
    auto& log = (steps_ - 1) / options_.rate_every % 2 == 1 ? low_log_ : high_log_;
    log.push_back(fall);
    if (high_log_.size() < kEntries || low_log_.size() < kEntries) return;
    const double p = welch_test_greater(low_log_, high_log_);
    if (p < 0.05) high_ *= options_.rate_step;
    if (p > 0.95) high_ /= options_.rate_step;
    high_log_.clear();
    low_log_.clear();
  }

  Options options_;
  const SampleLoader& samples_;
  SampleHandles kept_;
  std::vector<double> importance_, losses_;  // H and ℓ per sample
  std::vector<int64_t> fresh_;               // 1: its loss has not been computed yet
  double high_ = 1;                          // the higher rate, as a factor of training.lr
  int64_t steps_ = 0;
  std::vector<double> high_log_, low_log_;  // decrease of the loss at each rate
};

LearnerRow clib_learner() {
  return learner_row<Clib>(
      {.paper = "Koh et al., ICLR 2022",
       .about = "Trains on a memory alone, in which samples stay that help the others.",
       .stores = "The network, a head, the memory's samples, their importance and losses.",
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 1,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adam", .lr = 3e-4, .schedule = "constant"}}});
}

}  // namespace patina

// CLIB: every sample goes through the memory, and only the memory is trained on; the sample whose
// training lowered the loss of the others least is replaced first. The learning rate adapts by a
// test of whether a lower rate lowers the memory's loss faster. Koh et al., "Online Continual
// Learning on Class Incremental Blurry Task Configuration with Anytime Inference", ICLR 2022.
#include "patina/base/json.h"
#include "patina/learn/network_learner.h"
#include "patina/learners/online/adaptive_rate.h"
#include "patina/learners/online/importance_memory.h"
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
      f("rate_every", rate_every, "Looks with the higher rate before as many with the lower.",
        at_least(1));
      f("rate_step", rate_step, "The lower rate over the higher.",
        {.low = 0, .high = 1, .low_open = true, .high_open = true});
    }
  };

  Clib(Setup setup, const Options& options)
      : NetworkLearner(setup),
        options_(options),
        samples_(setup.loader()),
        memory_(options.memory),
        rate_(options.rate_every, options.rate_step) {}

  // Even if samples may be read several times, each is observed once, in random order.
  void fit(const Task& task, Trainer& trainer) override {
    Random random = seeds()("order", uint64_t(task.index));
    const Dataset shuffled = task.train->select(random.permutation(task.train->size()));
    trainer.each_batch(shuffled, fmt::format("task {}: learning", task.index + 1),
                       [&](const Batch& batch) {
                         const at::AutoGradMode gradients(true);
                         observe(batch, trainer);
                       });
  }

  void observe(const Batch& batch, Trainer& trainer) override {
    for (const auto& sample : batch.handles()) {
      if (const auto slot = memory_.add(sample)) {
        since_look_.renew(*slot);
        since_block_.renew(*slot);
        std::erase(trained_, int64_t(*slot));
      }
      for (int64_t u = 0; u < trainer.options().updates_per_batch; ++u) train(trainer);
    }
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("memory", memory_);
    a("steps", steps_);
    a("trained", trained_);
    a("since_look", since_look_);
    a("since_block", since_block_);
    a("rate", rate_);
  }

  Json diagnostics() const override { return {{"rate_factor", rate_.factor()}}; }

 private:
  void train(Trainer& trainer) {
    const auto& kept = memory_.samples();
    const auto slots = drawn(size_t(options_.memory_batch), size_t(kept.size()),
                             seeds()("memory batch", uint64_t(steps_)));
    trainer.descend(*this, samples_(kept.at(slots), seeds()("augment", uint64_t(steps_))),
                    options_.adapt_rate ? rate_.factor() : 1);
    trained_.insert(trained_.end(), slots.begin(), slots.end());
    if (++steps_ % options_.importance_every == 0) look(trainer);
  }

  // Credits the change of the mean loss to all samples trained on since the last evaluation.
  void look(Trainer& trainer) {
    const auto losses = losses_now(trainer);
    if (const auto change = since_look_.change(losses))
      memory_.credit({trained_.begin(), trained_.end()}, *change, options_.keep);
    trained_.clear();
    if (!options_.adapt_rate || !rate_.looked()) return;
    const auto change = since_block_.change(losses);
    rate_.end_block(change ? std::optional(-*change) : std::nullopt);
  }

  // The loss of every sample of the memory, without augmentation.
  std::vector<double> losses_now(Trainer& trainer) const {
    const Dataset kept = samples_.dataset(memory_.samples());
    Tensor losses = at::empty({kept.size()}, at::kDouble);
    trainer.each_batch(kept, "losses of the memory", [&](const Batch& batch) {
      const Tensor scores = competing(outputs(batch.input), batch.target);
      const Tensor own = at::log_softmax(scores, 1).gather(1, batch.target.unsqueeze(1)).squeeze(1);
      losses.index_copy_(0, batch.row, on_host(-own).to(at::kDouble));
    });
    const auto* first = losses.data_ptr<double>();
    return {first, first + losses.numel()};
  }

  Options options_;
  const SampleLoader& samples_;
  ImportanceMemory memory_;
  AdaptiveRate rate_;
  LossTrace since_look_, since_block_;
  std::vector<int64_t> trained_;  // slots trained on since the last evaluation
  int64_t steps_ = 0;
};

LearnerRow clib_learner() {
  return learner_row<Clib>(
      {.paper = "Koh et al., ICLR 2022",
       .about = "Trains on a memory alone, in which samples stay that help the others.",
       .stores = "The network, a head, the memory's samples, their importance and losses.",
       .differs =
           "The first sample of a class begins at the mean importance of all; in the authors' code "
           "this is 0 until the memory is full. Where a scenario allows several passes, each "
           "sample is still observed once.",
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 1,
                    .batch_size = 16,
                    .optimizer = {.optimizer = "adam", .lr = 3e-4, .schedule = "constant"}}});
}

}  // namespace patina

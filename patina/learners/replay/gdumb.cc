// GDumb: stores samples so that classes are balanced, and learns nothing until it is asked; then it
// trains a fresh network on the memory alone. A yardstick more than a method.
// Prabhu et al., "GDumb: A Simple Approach that Questions Our Progress in Continual Learning", ECCV
// 2020.
#include "patina/learn/merging.h"
#include "patina/learn/network/network_learner.h"
#include "patina/memory/sample_memory.h"
#include "patina/ops.h"

namespace patina {

class GDumb : public NetworkLearner {
 public:
  struct Options : LearnerOptions {
    int64_t memory = 500;
    void bind(Fields& f) override { f("memory", memory, "Samples that may be kept.", at_least(1)); }
  };

  GDumb(Setup setup, const Options& options)
      : NetworkLearner(setup),
        initial_(setup.backbone.clone()),
        samples_(*setup.samples),
        memory_(options.memory, SampleMemory::Policy::greedy, setup.seeds("memory")) {}

  void fit(const Task& task, Trainer&) override {
    for (int64_t i = 0; i < task.train->size(); ++i)
      memory_.offer(task.train->position(i), task.train->target(i));
  }

  void observe(const Batch& batch, Trainer&) override { memory_.offer(batch); }

  void before_scores(Trainer& trainer) override {
    if (memory_.offered() == trained_after_ || memory_.size() == 0) return;
    trained_after_ = memory_.offered();
    assign(nn::tensors(backbone()), weights_of(*initial_));
    const int64_t classes = head().classes();
    Random random = seeds()("head", uint64_t(trained_after_));
    head() = {};
    head().grow(classes, backbone().width(), random);
    trainer.train_on(*this, {samples_.source(), memory_.positions(), memory_.targets()},
                     trainer.options().epochs,
                     Seeds(seeds()("training", uint64_t(trained_after_)).bits()));
  }

  void state(Archive& a) override {
    NetworkLearner::state(a);
    a("memory", memory_);
    a("trained_after", trained_after_);
  }

 private:
  std::unique_ptr<Backbone> initial_;
  const SampleLoader& samples_;
  SampleMemory memory_;
  int64_t trained_after_ = 0;  // samples offered when the network was last trained
};

LearnerRow gdumb_learner() {
  return learner_row<GDumb>(
      {.paper = "Prabhu et al., ECCV 2020",
       .about = "Fills a balanced memory and trains a fresh network on it whenever it is asked.",
       .stores = "The memory's samples; the network it trained last.",
       .differs = "The paper's CutMix is left out.",
       .keeps_samples = true,
       .network = Network::any,
       .training = {
           .epochs = 30,
           .batch_size = 16,
           .optimizer = {.lr = 0.05, .weight_decay = 1e-6, .schedule = "cosine", .min_lr = 5e-4}}});
}

}  // namespace patina

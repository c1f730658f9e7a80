// HeadReplay, the example of docs/guide/write-a-learner.md: the backbone stays frozen, and one
// linear head over all classes learns each batch together with samples of a small memory.
#include "tests/docs/example_learner.h"

#include "patina/memory/sample_memory.h"
#include "patina/nn/heads.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class HeadReplay : public Learner {
 public:
  struct Options : LearnerOptions {
    int64_t memory = 200;
    double replay_weight = 1;
    void bind(Fields& f) override {
      f("memory", memory, "Samples that may be kept.", at_least(1));
      f("replay_weight", replay_weight, "Weight of the loss on samples of the memory.",
        at_least(0));
    }
  };

  HeadReplay(Setup setup, const Options& options)
      : backbone_(setup.backbone),
        seeds_(setup.seeds),
        samples_(setup.loader()),
        options_(options),
        memory_(options.memory, SampleMemory::Policy::balanced, setup.seeds("memory")) {}

  void begin_task(const Task& task, Trainer&) override {
    Random random = seeds_("head", uint64_t(task.index));
    head_.grow(int64_t(task.seen.size()), backbone_.width(), random);
  }

  // L = CE(batch) + replay_weight * CE(samples of the memory)
  Tensor loss(const Batch& batch, const Step& step) override {
    const Tensor fresh = loss_of(batch);
    if (memory_.size() == 0) return fresh;
    const auto slots = memory_.draw(batch.size(), seeds_("replay", uint64_t(step.taken)));
    const Batch past =
        samples_(memory_.samples().at(slots), seeds_("augment", uint64_t(step.taken)));
    return fresh + loss_of(past) * options_.replay_weight;
  }

  std::vector<ParamGroup> trainable() override { return {trainable_group(head_)}; }

  void remember(const Batch& batch) override { memory_.offer(batch); }

  Tensor scores(const Question& asked) const override {
    NoGrad no_grad;
    return head_(backbone_.features(asked.input));
  }

  void state(Archive& a) override {
    a("head", head_);
    a("memory", memory_);
  }

 private:
  Tensor loss_of(const Batch& batch) const {
    return nn::cross_entropy(head_(backbone_.features(batch.input)), batch.target);
  }

  Backbone& backbone_;
  Seeds seeds_;
  const SampleLoader& samples_;
  Options options_;
  nn::LinearHead head_;
  SampleMemory memory_;
};

LearnerRow head_replay_learner() {
  return learner_row<HeadReplay>(
      {.paper = "An example",
       .about = "Trains a linear head on frozen features of new and of remembered samples.",
       .stores = "The head and the memory's samples.",
       .needs = {.boundaries = true, .many_passes = true},
       .keeps_samples = true,
       .network = Network::any,
       .training = {.epochs = 5,
                    .batch_size = 16,
                    .optimizer = {.lr = 0.1, .momentum = 0.9, .schedule = "constant"}}});
}

}  // namespace patina

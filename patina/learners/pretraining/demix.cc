// DEMix (Gururangan et al., "DEMix Layers: Disentangling Domains for Modular Language Modeling",
// NAACL 2022): the feed-forward layers of every domain are its own, all else is shared. A text's
// domain is not told; the experts' next words are mixed by the posterior of their domains.
#include "patina/base/json.h"
#include "patina/learners/instruction/lora_per_task.h"
#include "patina/learners/pretraining/round_learner.h"
#include "patina/memory/sample_memory.h"
#include "patina/models/experts.h"
#include "patina/ops.h"

namespace patina {

class Demix : public LoraPerTask {
 public:
  struct Options : LearnerOptions {
    int64_t sequences = 100;
    adapt::LoraOptions lora{.rank = 64, .alpha = 128, .parts = "", .mlp = true};
    void bind(Fields& f) override {
      f("sequences", sequences,
        "Texts of a new domain, drawn at random, by which the expert that is nearest to it is "
        "found: the new one begins as its copy.",
        at_least(1));
      lora.bind(f);
    }
  };

  Demix(Setup setup, const Options& options)
      : LoraPerTask(setup, options.lora), sequences_(options.sequences) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    if (task.index == 0) return;
    const int64_t parent = nearest(task, trainer);
    LoraPerTask::begin_task(task, trainer);
    assign(nn::tensors(*lora()), weights_of(*earlier()[size_t(parent)]));
    parents_.push_back(parent);
  }

  Experts experts(const Input&) const override {
    std::vector<nn::Adaptations> all;
    for (const auto& domain : earlier()) all.push_back({domain.get()});
    all.push_back({lora()});
    return Experts(std::move(all));
  }

  Json diagnostics() const override {
    if (parents_.empty()) return {};
    return {{"began_as_a_copy_of", parents_}};
  }

  void state(Archive& a) override {
    LoraPerTask::state(a);
    a("parents", parents_);
  }

 private:
  // The expert with the largest posterior, as a mean over texts of the new domain.
  int64_t nearest(const Task& task, Trainer& trainer) const {
    std::vector<int64_t> rows;
    for (const size_t i : drawn(size_t(sequences_), size_t(task.train->size()),
                                seeds()("sequences", uint64_t(task.index))))
      rows.push_back(int64_t(i));
    Tensor sum;
    trainer.each_batch(
        task.train->select(rows), "finding the nearest expert", [&](const Batch& batch) {
          const Tensor here =
              log_posterior(backbone(), batch.input, experts(batch.input)).exp().sum(1);
          sum = sum.defined() ? sum + here : here;
        });
    return sum.argmax().item<int64_t>();
  }

  int64_t sequences_;
  std::vector<int64_t> parents_;  // of the second expert and those after it
};

LearnerRow demix_learner() {
  return learner_row<Demix>(
      {.paper = "Gururangan et al., NAACL 2022",
       .about = "Gives every domain an expert in place of the feed-forward layers, which begins as "
                "a copy of the nearest one, and mixes the experts' next words by how likely each "
                "found the text so far.",
       .stores = "A LoRA of the feed-forward layers a task.",
       .differs = "An expert is a low-rank change of the pre-trained feed-forward layers instead "
                  "of layers of its own. The prior over domains is uniform; the paper also has one "
                  "that is estimated on texts of the domain that is asked, which is not told here.",
       .needs = {.boundaries = true, .many_passes = true},
       .network = Network::decoder,
       .training = round_training(2e-4, 32)});
}

}  // namespace patina

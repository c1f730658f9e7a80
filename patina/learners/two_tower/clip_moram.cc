// MoRAM on CLIP ("Mixture of Rank-1 Associative Memory Experts", arXiv 2506.21035, ICML 2026):
// every row of a LoRA's A with its column of B is an atom of a task, and every token of an image
// or a text chooses the atoms of all tasks whose keys it is nearest to. What is near to none passes
// the pre-trained network alone.
#include "patina/adapt/routed_lora.h"
#include "patina/learn/adapted.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class ClipMoram : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions {
    adapt::AtomOptions atoms{.temperature = 0.01};
    adapt::LoraOptions lora{.rank = 8, .alpha = 8, .parts = "qkv", .output = true};
    std::string compete = "task";
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      atoms.bind(f);
      lora.bind(f);
      bind_compete(f, compete);
    }
  };

  ClipMoram(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.frozen_texts = false, .compete = options.compete}),
        options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    add_task();
  }

  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor scores = clip().similarity(clip().features(batch.input, routed(image_, true)),
                                            texts().encoded(competing(), routed(text_, true)));
    return nn::cross_entropy(scores, batch.target - first());
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*image_.back(), *text_.back())};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    auto tasks = int64_t(image_.size());
    a("tasks", tasks);
    while (int64_t(image_.size()) < tasks) add_task();
    for (size_t i = 0; i < image_.size(); ++i) {
      a("image_" + std::to_string(i), *image_[i]);
      a("text_" + std::to_string(i), *text_[i]);
    }
  }

 private:
  using Loras = std::vector<std::unique_ptr<adapt::Lora>>;

  void add_task() {
    const auto index = uint64_t(image_.size());
    for (Loras* side : {&image_, &text_}) {
      for (auto& earlier : *side) nn::freeze(*earlier);
      Random random = seeds()(side == &image_ ? "image_lora" : "text_lora", index);
      const auto tower = side == &image_ ? nn::Tower::image : nn::Tower::text;
      side->push_back(make_lora(options_.lora, tower_of(clip(), tower), random));
    }
  }

  nn::Adaptations routed(const Loras& side, bool learning = false) const {
    std::vector<const adapt::Lora*> lent;
    for (const auto& lora : side) lent.push_back(lora.get());
    return options_.atoms.of(lent, learning);
  }

  Tensor image_features(const Input& images) const override {
    return clip().features(images, routed(image_));
  }
  Tensor text_features(const std::vector<std::string>& names) const override {
    return texts().encoded(names, routed(text_));
  }

  Options options_;
  Loras image_, text_;  // of each task
};

LearnerRow clip_moram_learner() {
  return learner_row<ClipMoram>(
      {.paper = "arXiv 2506.21035, ICML 2026",
       .about = "Rank-1 atoms of every task in both towers, of which each token chooses those of "
                "all tasks whose keys it is nearest to.",
       .stores = "Two LoRAs a task, and the classes' names.",
       .differs = "All tasks have the same number of epochs; the authors set it for each.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::clip,
       .training = {.epochs = 10,
                    .batch_size = 64,
                    .optimizer = {.optimizer = "adamw", .lr = 5e-4, .schedule = "cosine"}}});
}

}  // namespace patina

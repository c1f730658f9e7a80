// KeepLoRA on CLIP ("KeepLoRA: Continual Learning with Residual Gradient Adaptation", arXiv
// 2601.19659, 2026): in both towers each task has a LoRA that reads the main directions of the
// loss's gradient that are outside both the pre-trained weight's main directions and the inputs of
// earlier tasks, and only its B learns.
#include "patina/learn/adapted.h"
#include "patina/learners/instruction/confined_lora.h"
#include "patina/learners/regularization/fisher.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class ClipKeepLora : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions {
    double image_energy = 0.85, text_energy = 0.2, input_energy = 0.99;
    adapt::LoraOptions lora{.rank = 16, .alpha = 16, .parts = "qkv", .output = true};
    std::string compete = "task";
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      const Range part{.low = 0, .high = 1, .low_open = true};
      f("image_energy", image_energy,
        "The part of Σσ² of a pre-trained weight of the image tower whose input directions no task "
        "may change.",
        part);
      f("text_energy", text_energy, "The same of the text tower.", part);
      f("input_energy", input_energy,
        "The part of a task's inputs (of the squares of their second moment) that later tasks may "
        "not change.",
        part);
      lora.bind(f);
      bind_compete(f, compete);
    }
  };

  ClipKeepLora(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.frozen_texts = false, .compete = options.compete}),
        options_(options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    add_task();
    choose_directions(task, trainer);
  }

  Tensor loss(const Batch& batch, const Step&) override { return loss_of(batch); }

  void end_task(const Task& task, Trainer& trainer) override {
    NoGrad no_grad;
    InputMoments images(image_.updates()), words(text_.updates());
    images.set_tower(nn::Tower::image);
    words.set_tower(nn::Tower::text);
    trainer.each_batch(*task.train, "inputs of layers", [&](const Batch& batch) {
      nn::Adaptations all = image_.sum();
      all.add(&images);
      clip().features(batch.input, all);
    });
    const Input sentences = texts().sentences(competing());
    // SigLIP's tower reads padding as well.
    if (clip().tokens(sentences).size(1) == sentences.mask.size(1)) words.set_mask(sentences.mask);
    nn::Adaptations all = text_.sum();
    all.add(&words);
    clip().tokens(sentences, all);
    extend_bases(image_.bases, image_.updates(), images, options_.input_energy);
    extend_bases(text_.bases, text_.updates(), words, options_.input_energy);
    TwoTowerLearner::end_task(task, trainer);
  }

  std::vector<ParamGroup> trainable() override {
    return {trainable_group(*image_.loras.back(), *text_.loras.back())};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    auto tasks = int64_t(image_.loras.size());
    a("tasks", tasks);
    while (int64_t(image_.loras.size()) < tasks) add_task();
    for (Side* side : {&image_, &text_}) {
      const std::string name = side == &image_ ? "image" : "text";
      for (size_t i = 0; i < side->loras.size(); ++i)
        a(name + "_" + std::to_string(i), *side->loras[i]);
      a(name + "_bases", side->bases);
    }
  }

 private:
  struct Side {
    nn::Tower tower;
    std::vector<std::unique_ptr<adapt::Lora>> loras;  // of each task
    std::vector<Tensor> bases;  // what no task may change of an update's inputs: [k,D] each

    std::vector<adapt::Lora::Update> updates() const { return loras.back()->updates(); }
    nn::Adaptations sum() const {
      nn::Adaptations all;
      for (const auto& lora : loras) all.add(lora.get());
      return all;
    }
  };

  void add_task() {
    const auto index = uint64_t(image_.loras.size());
    for (Side* side : {&image_, &text_}) {
      for (auto& earlier : side->loras) nn::freeze(*earlier);
      Random random = seeds()(side == &image_ ? "image_lora" : "text_lora", index);
      side->loras.push_back(make_lora(options_.lora, tower_of(clip(), side->tower), random));
      for (auto& item : nn::tensors(*side->loras.back()))
        if (item.name.ends_with(".a")) item.tensor.requires_grad_(false);
    }
  }

  // A = the r leading right singular vectors of G - G M Mᵀ, with G [out,in] the mean of d loss / d
  // W over batches, in the present model.
  void choose_directions(const Task& task, Trainer& trainer) {
    std::vector<GradientDirections> directions;
    std::vector<nn::NamedTensor> weights;
    for (Side* side : {&image_, &text_}) {
      directions.emplace_back(clip(), side->tower, side->updates());
      const double energy = side == &image_ ? options_.image_energy : options_.text_energy;
      if (task.index == 0) side->bases = directions.back().main(energy);
      for (const auto& weight : directions.back().weights()) weights.push_back(weight);
    }
    for (auto& weight : weights) weight.tensor.requires_grad_(true);
    const Weights gradients = mean_of_gradients(
        weights, *task.train, trainer, seeds()("gradient", uint64_t(task.index)),
        /*by_batch=*/true, "gradient of weights",
        [&](const Batch& batch) { return loss_of(batch); },
        [](const Tensor& sum, const Tensor& g) { sum.add_(g); });
    for (auto& weight : weights) weight.tensor.requires_grad_(false);
    NoGrad no_grad;
    std::span<const Tensor> rest = gradients;
    for (Side* side : {&image_, &text_}) {
      const GradientDirections& own = directions[side == &image_ ? 0 : 1];
      const auto chosen = own.of(rest.first(own.weights().size()), side->bases, options_.lora.rank);
      rest = rest.subspan(own.weights().size());
      const auto all = side->updates();
      for (size_t i = 0; i < all.size(); ++i) Tensor(all[i].a).copy_(chosen[i]);
    }
  }

  Tensor loss_of(const Batch& batch) const {
    const Tensor scores =
        clip().similarity(image_features(batch.input), text_features(competing()));
    return nn::cross_entropy(scores, batch.target - first());
  }

  Tensor image_features(const Input& images) const override {
    return clip().features(images, image_.sum());
  }
  Tensor text_features(const std::vector<std::string>& names) const override {
    return texts().encoded(names, text_.sum());
  }

  Options options_;
  Side image_{nn::Tower::image, {}, {}}, text_{nn::Tower::text, {}, {}};
};

LearnerRow clip_keeplora_learner() {
  return learner_row<ClipKeepLora>(
      {.paper = "arXiv 2601.19659, 2026",
       .about = "Gives every task a LoRA in both towers that reads directions of the gradient "
                "outside the pre-trained weights' main ones and outside earlier tasks' inputs.",
       .stores = "Two LoRAs a task, the subspaces that stay, and the classes' names.",
       .differs =
           "Input directions are those of inputs: the authors' code for CLIP takes a weight's "
           "output directions, and a running mean over batches for their second moment. B begins "
           "at zero, where they begin with the gradient's and take it from the weight, which is "
           "the same function; each task's change stays beside the weights. All tasks have the "
           "same number of epochs.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::clip,
       .training = {
           .epochs = 10,
           .batch_size = 64,
           .optimizer = {
               .optimizer = "adamw", .lr = 1e-3, .weight_decay = 0.01, .schedule = "cosine"}}});
}

}  // namespace patina

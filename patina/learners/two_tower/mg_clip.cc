// MG-CLIP (Huang et al., "Mind the Gap: Preserving and Compensating for the Modality Gap in
// CLIP-Based Continual Learning", ICCV 2025): one LoRA in each tower learns task after task and is
// trained only as long as the scores of wrong classes stay what they were, since their drift is the
// closing of the gap between images and texts; a cosine classifier on the images makes up for what
// the texts then cannot tell.
#include <cmath>

#include "patina/algebra/cosine.h"
#include "patina/learn/adapted.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/losses.h"
#include "patina/nn/merging.h"
#include "patina/ops.h"

namespace patina {

class MgClip : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions {
    adapt::LoraOptions lora = {.rank = 8, .alpha = 8, .parts = "kv"};
    double drift = 0.1;
    int64_t visual_epochs = 3;
    double visual_rate = 0.5;
    double visual_weight = 4;
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      lora.bind(f);
      f("drift", drift,
        "The first task stops after the epoch in which the mean score of wrong classes has moved "
        "by "
        "more than this part of what it was; later tasks take as many epochs.",
        above(0));
      f("visual_epochs", visual_epochs, "Epochs of the classifier on the images.", at_least(1));
      f("visual_rate", visual_rate, "Its learning rate over training.lr.", above(0));
      f("visual_weight", visual_weight, "Of its probabilities beside those of the texts.",
        at_least(0));
    }
  };

  MgClip(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.frozen_texts = false, .compete = "task"}),
        options_(options),
        plain_(clip(), options) {
    Random image = seeds()("image_lora"), text = seeds()("text_lora");
    image_ = make_lora(options.lora, tower_of(clip(), nn::Tower::image), image);
    text_ = make_lora(options.lora, tower_of(clip(), nn::Tower::text), text);
  }

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    learn_rows(false);
    if (task.index > 0) return;
    NoGrad no_grad;
    before_ = wrong_score(trainer.features(clip(), *task.train), plain_.frozen(competing()));
  }

  void fit(const Task& task, Trainer& trainer) override {
    trainer_ = &trainer;
    if (!on_rows_) {
      const bool decided = epochs_ > 0 && stopped_.empty();
      const int64_t epochs = decided ? epochs_ : trainer.options().epochs;
      trainer.epochs(*this, task, epochs);
      // What was learned after the stop is not used.
      if (!stopped_.empty()) {
        assign(learned(), stopped_);
        stopped_.clear();
      }
      if (epochs_ == 0) epochs_ = epochs;
      const FeatureSet set = trainer.features(clip(), *task.train, {image_.get()});
      rows_.add(class_means({normalized(set.features), set.targets}, task.fresh));
      learn_rows(true);
    }
    trainer.epochs(*this, task, options_.visual_epochs);
    trainer_ = nullptr;
    changed();
  }

  // Checked once for each epoch of the first task: an interrupted epoch is announced again.
  void begin_epoch(const Step& step) override {
    if (on_rows_ || epochs_ > 0 || step.epoch <= checked_) return;
    checked_ = step.epoch;
    const FeatureSet set = trainer_->features(clip(), *step.samples, {image_.get()});
    NoGrad no_grad;
    const double now = wrong_score(set, text_features(competing()));
    if (std::abs(now - before_) <= options_.drift * std::abs(before_)) return;
    epochs_ = step.epoch;
    stopped_ = copied(learned());
  }

  Tensor loss(const Batch& batch, const Step& step) override {
    if (!stopped_.empty()) return nothing();
    if (!on_rows_) return TwoTowerLearner::loss(batch, step);
    return nn::cross_entropy(clip().similarity(image_features(batch.input), rows_.newest()),
                             batch.target - first());
  }

  std::vector<ParamGroup> trainable() override {
    if (!on_rows_) return {trainable_group(*image_, *text_)};
    return {{.tensors = {rows_.newest()}, .lr_factor = options_.visual_rate}};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("image_lora", *image_);
    a("text_lora", *text_);
    a("rows", rows_);
    a("before", before_);
    a("epochs", epochs_);
    a("checked", checked_);
    a("stopped", stopped_);
    a("on_rows", on_rows_);
    if (a.loading()) learn_rows(on_rows_);
  }

 private:
  // From the LoRAs to the rows of the visual classifier, or back.
  void learn_rows(bool rows) {
    on_rows_ = rows;
    nn::freeze(*image_, rows);
    nn::freeze(*text_, rows);
    if (rows) rows_.parts.back().requires_grad_(true);
  }

  std::vector<nn::NamedTensor> learned() const {
    auto all = nn::tensors(*image_);
    for (auto& item : nn::tensors(*text_)) all.push_back(item);
    return all;
  }
  Tensor nothing() const {
    Tensor sum;
    for (const auto& item : learned())
      sum = sum.defined() ? sum + item.tensor.sum() * 0 : item.tensor.sum() * 0;
    return sum;
  }

  // The mean score of the classes that a sample is not of.
  double wrong_score(const FeatureSet& set, const Tensor& texts) const {
    const Tensor scores = clip().similarity(set.features, texts).to(at::kDouble);
    const Tensor right = scores.gather(1, (set.targets - first()).unsqueeze(1));
    const int64_t wrong = scores.size(0) * (scores.size(1) - 1);
    return (scores.sum() - right.sum()).item<double>() / double(std::max<int64_t>(1, wrong));
  }

  Tensor image_features(const Input& images) const override {
    return clip().features(images, {image_.get()});
  }
  Tensor text_features(const std::vector<std::string>& names) const override {
    return texts().encoded(names, {text_.get()});
  }

  // (softmax(τ cos(f, t)) + v softmax(τ cos(f, w))) / (1 + v) with the visual rows w; of names that
  // are not those of the classes seen, the texts alone.
  Classifier classifier(const std::vector<std::string>& asked_names) const override {
    const auto shown = rows_.parts.empty() ? Tensor() : rows_.all();
    if (!shown.defined() || asked_names != names() || shown.size(0) != int64_t(names().size()))
      return TwoTowerLearner::classifier(asked_names);
    return [this, texts = text_features(asked_names), shown](const Question& asked) {
      const Tensor f = image_features(asked.input);
      const Tensor by_text = at::softmax(clip().similarity(f, texts), 1);
      const Tensor by_image = at::softmax(clip().similarity(f, shown), 1);
      return (by_text + by_image * options_.visual_weight) / (1 + options_.visual_weight);
    };
  }

  Options options_;
  ClassTexts plain_;
  std::unique_ptr<adapt::Lora> image_, text_;
  TaskRows rows_;         // of the visual classifier, [K_t,E]
  double before_ = 0;     // the mean score of wrong classes of the first task, before learning
  int64_t epochs_ = 0;    // of a task; 0: not decided yet
  int64_t checked_ = 0;   // the last epoch of the first task before which the drift was looked at
  Weights stopped_;       // the LoRAs where the first task stopped, until it ends
  bool on_rows_ = false;  // whether the rows are being learned, not the LoRAs
  Trainer* trainer_ = nullptr;  // during fit
};

LearnerRow mg_clip_learner() {
  return learner_row<MgClip>(
      {.paper = "Huang et al., ICCV 2025",
       .about = "One LoRA in each tower, trained while the scores of wrong classes stay, and a "
                "cosine classifier on the images beside the texts.",
       .stores = "The two LoRAs, a row a class, and the classes' names.",
       .differs =
           "The classifier on the images has the scale of CLIP's similarities. In the authors' "
           "code its cosines have none, so that after the softmax they are nearly uniform. How "
           "long a task is trained is measured in the first task of a run.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .network = Network::clip,
       .training = {
           .epochs = 10, .batch_size = 128, .optimizer = {.optimizer = "adam", .lr = 1e-3}}});
}

}  // namespace patina

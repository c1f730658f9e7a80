// PROOF (Zhou et al., "Learning without Forgetting for Vision-Language Models", TPAMI 2025): CLIP
// is frozen; every task adds a linear projection behind each tower, and the features are the sums
// of all projections. An image, the texts and the visual prototypes of all classes, and learned
// contexts attend to one another, and the scores of three comparisons are added.
#include <cmath>

#include "patina/algebra/cosine.h"
#include "patina/algebra/prototypes.h"
#include "patina/config/sizes.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/learners/replay/herded_memory.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/models/two_tower/clip.h"
#include "patina/nn/dropout.h"
#include "patina/nn/layers.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

class Proof : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions, HerdedMemoryOptions {
    int64_t contexts = 3;
    double dropout = 0.1;
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      HerdedMemoryOptions::bind(f);
      f("contexts", contexts, "Learned vectors that a task adds to what attends.", sized(1));
      f("dropout", dropout, "Of attention's weights and output, in a training step.",
        {.low = 0, .high = 1, .high_open = true});
    }
  };

  Proof(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.compete = "seen"}),
        options_(options),
        memory_(options, setup.loader()),
        first_text_(clip(), {.templates = {texts().templates().front()}}) {
    const int64_t width = clip().width();
    fusion_ = {{width, width, false},
               {width, width, false},
               {width, width, false},
               {width, width},
               nn::Norm(width, 1e-5)};
    Random random = seeds()("fusion");
    for (auto* layer : {&fusion_.query, &fusion_.key, &fusion_.value, &fusion_.out})
      nn::init_kaiming(layer->weight, random);
    nn::bring(fusion_, clip().place());
    nn::freeze(fusion_, false);
  }

  // A visual prototype is the mean of a class's frozen features of unit length.
  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    const FeatureSet set = trainer.features(clip(), *task.train);
    prototypes_ =
        with_rows(prototypes_, class_means({normalized(set.features), set.targets}, task.fresh));
    const auto index = uint64_t(task.index);
    add(image_, "image_projection", index, /*freeze_earlier=*/true);
    add(text_, "text_projection", index, /*freeze_earlier=*/false);
    Tensor rows = at::empty({options_.contexts, clip().width()});
    Random random = seeds()("contexts", index);
    nn::init_normal(rows, random, 0, 1);
    contexts_.add(on(clip().place().device, rows));
  }

  void fit(const Task& task, Trainer& trainer) override {
    memory_.train_beside(*this, task, trainer);
  }

  // CE(i'·t') + CE(i'·p') + the contrast of each image with the text of its class.
  Tensor loss(const Batch& batch, const Step&) override {
    const Tensor images = projected(image_, clip().features(batch.input));
    const Tensor texts = projected(text_, first_text_.frozen(names()));
    const auto [to_texts, to_prototypes] = fused(images, texts, projected(image_, prototypes_));
    return nn::cross_entropy(to_texts, batch.target) +
           nn::cross_entropy(to_prototypes, batch.target) +
           contrastive_loss(clip().similarity(images, texts.index_select(0, batch.target)));
  }

  void end_task(const Task& task, Trainer& trainer) override {
    memory_.update(task, trainer.features(clip(), *task.train));
    TwoTowerLearner::end_task(task, trainer);
  }

  std::vector<ParamGroup> trainable() override {
    ParamGroup group = trainable_group(image_.back(), fusion_);
    for (auto& projection : text_)
      for (const auto& item : nn::trainable(projection)) group.tensors.push_back(item.tensor);
    group.tensors.push_back(contexts_.newest());
    return {group};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    auto tasks = int64_t(image_.size());
    a("tasks", tasks);
    while (int64_t(image_.size()) < tasks) {
      const auto index = uint64_t(image_.size());
      add(image_, "image_projection", index, true);
      add(text_, "text_projection", index, false);
    }
    for (size_t i = 0; i < image_.size(); ++i) {
      a("image_" + std::to_string(i), image_[i]);
      a("text_" + std::to_string(i), text_[i]);
    }
    a("contexts", contexts_);
    if (a.loading() && contexts_.tasks() > 0) contexts_.parts.back().requires_grad_(true);
    a("prototypes", prototypes_);
    a("fusion", fusion_);
    a("memory", memory_);
  }

 private:
  struct Fusion {
    nn::Linear query, key, value, out;
    nn::Norm norm;
    void walk(nn::Walk& w) {
      w("query", query);
      w("key", key);
      w("value", value);
      w("out", out);
      w("norm", norm);
    }
  };

  void add(std::vector<nn::Linear>& to, const char* name, uint64_t index, bool freeze_earlier) {
    if (freeze_earlier)
      for (auto& earlier : to) nn::freeze(earlier);
    nn::Linear fresh(clip().width(), clip().width());
    Random random = seeds()(name, index);
    nn::init_kaiming(fresh.weight, random);
    nn::init_uniform(fresh.bias, random, 1 / std::sqrt(double(clip().width())));
    nn::bring(fresh, clip().place());
    nn::freeze(fresh, false);
    to.push_back(std::move(fresh));
  }

  // Σ_j P_j(f), of unit length: [n,E] -> [n,E]
  static Tensor projected(const std::vector<nn::Linear>& projections, const Tensor& f) {
    Tensor sum = projections.front()(f);
    for (size_t i = 1; i < projections.size(); ++i) sum = sum + projections[i](f);
    return normalized(sum);
  }

  // Self-attention over the rows [image; texts; prototypes; contexts] of every image by itself,
  // whose results i', t' and p' are compared: i'·t' and i'·p', [B,K] each.
  std::pair<Tensor, Tensor> fused(const Tensor& images, const Tensor& texts,
                                  const Tensor& prototypes) const {
    const int64_t batch = images.size(0), classes = texts.size(0);
    const Tensor shared = at::cat({texts, prototypes, contexts_.all()});
    const Tensor rows =
        at::cat({images.unsqueeze(1), shared.unsqueeze(0).expand({batch, -1, -1})}, 1);
    const double scale = 1 / std::sqrt(double(rows.size(2)));
    const Tensor weights =
        at::softmax(at::bmm(fusion_.query(rows), fusion_.key(rows).transpose(1, 2)) * scale, -1);
    const Tensor mixed = at::bmm(nn::dropout(weights, options_.dropout), fusion_.value(rows));
    const Tensor out = fusion_.norm(nn::dropout(fusion_.out(mixed), options_.dropout) + rows);
    const Tensor image = out.slice(1, 0, 1).transpose(1, 2);  // [B,E,1]
    return {at::bmm(out.slice(1, 1, 1 + classes), image).squeeze(2),
            at::bmm(out.slice(1, 1 + classes, 1 + 2 * classes), image).squeeze(2)};
  }

  // i·t + i'·t' + i'·p'. A name without a prototype is compared as a text alone, and before a task
  // was learned the frozen network classifies.
  Classifier classifier(const std::vector<std::string>& asked_names) const override {
    if (image_.empty()) return TwoTowerLearner::classifier(asked_names);
    if (asked_names != names()) return among_names(asked_names);
    const Tensor texts = projected(text_, text_features(names()));
    const Tensor prototypes = projected(image_, prototypes_);
    return [this, texts, prototypes](const Question& asked) {
      const Tensor images = projected(image_, clip().features(asked.input));
      const auto [to_texts, to_prototypes] = fused(images, texts, prototypes);
      return at::matmul(images, texts.t()) + to_texts + to_prototypes;
    };
  }

  Classifier among_names(const std::vector<std::string>& asked_names) const {
    return [this, texts = projected(text_, text_features(asked_names))](const Question& asked) {
      return at::matmul(projected(image_, clip().features(asked.input)), texts.t());
    };
  }

  Options options_;
  HerdedMemory memory_;
  ClassTexts first_text_;                 // the first sentence alone, for training
  std::vector<nn::Linear> image_, text_;  // a projection a task
  TaskRows contexts_;                     // of each task, [n,E]
  Tensor prototypes_;                     // [K,E]
  Fusion fusion_;
};

LearnerRow proof_learner() {
  return learner_row<Proof>(
      {.paper = "Zhou et al., TPAMI 2025",
       .about = "A projection a task behind each tower, and attention among an image and the texts "
                "and prototypes of all classes.",
       .stores = "Two projections and three contexts a task, a prototype and an embedding a class, "
                 "the attention's weights, and the memory's samples.",
       .differs =
           "Each image is compared with the texts and prototypes as it attends to them itself. "
           "The authors' code averages those over the batch, at test too, so that a score "
           "depends on the rest of the batch. Prototypes are means of the frozen features, as "
           "in the paper; the code's are projected, and projected again where they are used. "
           "The scale of CLIP's similarities stays as it was pre-trained.",
       .needs =
           {.task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true},
       .keeps_samples = true,
       .network = Network::clip,
       .training = {
           .epochs = 5, .batch_size = 64, .optimizer = {.lr = 0.001, .weight_decay = 0.05}}});
}

}  // namespace patina

// DIKI (Tang et al., "Mind the Interference: Retaining Pre-trained Knowledge in Parameter Efficient
// Continual Learning of Vision-Language Models", ECCV 2024): every task has keys and values beside
// those of attention, with a softmax of their own, whose result is added to what attention found.
// The values begin at zero. How likely an image is under the Gaussian of a task's images chooses
// the task, and scales what is added, so that images of no task see the pre-trained network.
#include <cmath>
#include <map>

#include "patina/algebra/cosine.h"
#include "patina/algebra/gaussians.h"
#include "patina/config/sizes.h"
#include "patina/learn/adapted.h"
#include "patina/learners/prompt/task_rows.h"
#include "patina/learners/two_tower/two_tower_learner.h"
#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

class Diki : public TwoTowerLearner {
 public:
  struct Options : LearnerOptions, ClassTextOptions {
    int64_t length = 8;
    int64_t depth = 8;
    double ridge = 1e-4;
    int64_t levels = 10;
    std::string compete = "task";
    void bind(Fields& f) override {
      ClassTextOptions::bind(f);
      f("length", length, "Keys, and values, of a task in a block.", sized(1));
      f("depth", depth, "Blocks that have them, from the first on; at most all.", sized(1));
      f("ridge", ridge, "Added to the diagonal of a task's covariance.", above(0));
      f("levels", levels,
        "Steps from 0 to 1 of the weight with which texts are encoded; images have theirs exactly.",
        sized(1));
      bind_compete(f, compete);
    }
  };

  Diki(Setup setup, const Options& options)
      : TwoTowerLearner(setup, options, {.frozen_texts = false, .compete = options.compete}),
        options_(options),
        plain_(clip(), options) {}

  void begin_task(const Task& task, Trainer& trainer) override {
    TwoTowerLearner::begin_task(task, trainer);
    const auto index = uint64_t(task.index);
    Random image = seeds()("image_keys", index), text = seeds()("text_keys", index);
    image_.add(*this, nn::Tower::image, image);
    text_.add(*this, nn::Tower::text, text);
  }

  // The Gaussian of the task's features of unit length under the frozen network.
  void end_task(const Task& task, Trainer& trainer) override {
    const auto [mean, covariance] =
        moments(normalized(trainer.features(clip(), *task.train).features));
    gaussians_.add(mean, covariance + at::eye(mean.size(0), covariance.options()) * options_.ridge);
    TwoTowerLearner::end_task(task, trainer);
  }

  std::vector<ParamGroup> trainable() override {
    return {{.tensors = {image_.keys.newest(), image_.values.newest(), text_.keys.newest(),
                         text_.values.newest()}}};
  }

  void state(Archive& a) override {
    TwoTowerLearner::state(a);
    a("image", image_);
    a("text", text_);
    a("gaussians", gaussians_);
  }

 private:
  // What the tasks have in a tower.
  struct Side {
    TaskRows keys, values;  // of each task, [L,P,D]

    void add(const Diki& learner, nn::Tower which, Random& random) {
      const TowerShape tower = tower_of(learner.clip(), which);
      Tensor fresh = at::empty({std::min(learner.options_.depth, tower.layers),
                                learner.options_.length, tower.block.key_width()});
      nn::init_normal(fresh, random, 0, 0.02);
      keys.add(on(tower.place.device, fresh));
      values.add(on(tower.place.device, at::zeros_like(fresh)));
    }
    void state(Archive& a) {
      a("keys", keys);
      a("values", values);
      if (!a.loading() || keys.parts.empty()) return;
      keys.parts.back().requires_grad_(true);
      values.parts.back().requires_grad_(true);
    }
  };

  // softmax(q Kᵀ / √d) w V, added to attention: of one task for all samples, or of each sample's.
  class Added : public nn::Adaptation {
   public:
    Added(const Side& side, nn::Tower tower, int64_t task, double weight = 1)
        : keys_(side.keys.parts[size_t(task)]), values_(side.values.parts[size_t(task)] * weight) {
      set_tower(tower);
    }
    /// task [B], weight [B]
    Added(const Side& side, nn::Tower tower, const Tensor& task, const Tensor& weight)
        : keys_(of_samples(side.keys, task)),
          values_(of_samples(side.values, task) * weight.reshape({1, -1, 1, 1})) {
      set_tower(tower);
    }
    std::pair<Tensor, Tensor> aside(int layer) override {
      if (layer >= keys_.size(0)) return {};
      return {keys_[layer], values_[layer]};
    }
    bool acts(nn::Site) const override { return false; }

   private:
    static Tensor of_samples(const TaskRows& rows, const Tensor& task) {
      return at::stack(rows.parts, 1).index_select(1, task);
    }

    Tensor keys_, values_;  // [L,P,D], or [L,B,P,D]
  };

  // While a task is learned, its own keys and values with the weight 1.
  Tensor image_features(const Input& images) const override {
    Added added(image_, nn::Tower::image, image_.keys.tasks() - 1);
    return clip().features(images, {&added});
  }
  Tensor text_features(const std::vector<std::string>& names) const override {
    return encoded(names, text_.keys.tasks() - 1, 1);
  }
  Tensor encoded(const std::vector<std::string>& names, int64_t task, double weight) const {
    Added added(text_, nn::Tower::text, task, weight);
    return texts().encoded(names, {&added});
  }

  // The texts' features for each task and level, made when they are first needed.
  struct Encoded {
    std::mutex mutex;
    std::map<std::pair<int64_t, int64_t>, Tensor> features;  // [n,E]
  };
  Tensor encoded_once(Encoded& all, const std::vector<std::string>& names, int64_t task,
                      int64_t level) const {
    const std::lock_guard lock(all.mutex);
    Tensor& features = all.features[{task, level}];
    if (!features.defined())
      features = encoded(names, task, double(level) / double(options_.levels));
    return features;
  }

  // t = argmax_t log N(f; μ_t, Σ_t) and w = σ(log N(f; μ_t, Σ_t) / D - 1) for every image by
  // itself. Before a task was learned the frozen network classifies. A told task is chosen.
  Classifier classifier(const std::vector<std::string>& names) const override {
    if (gaussians_.classes() == 0) return frozen_classifier(plain_.frozen(names));
    return [this, names, all = std::make_shared<Encoded>()](const Question& asked) {
      const Tensor f = normalized(clip().features(asked.input));
      const Tensor likely = gaussians_.log_densities(f);  // [B,T]
      Tensor task = likely.argmax(1);
      if (asked.task.defined()) {
        const Tensor told = on(f.device(), asked.task);
        task = at::where(told < gaussians_.classes(), told, task);
      }
      const Tensor weight = at::sigmoid(
          likely.gather(1, task.unsqueeze(1)).squeeze(1) / double(f.size(1)) - 1);  // [B]
      Added added(image_, nn::Tower::image, task, weight.to(at::kFloat));
      const Tensor images = clip().features(asked.input, {&added});
      const auto tasks = items_of(on_host(task));
      const auto levels = items_of(on_host((weight * options_.levels).round().to(at::kLong)));
      std::vector<Tensor> rows;
      for (size_t i = 0; i < tasks.size(); ++i)
        rows.push_back(clip().similarity(images.slice(0, int64_t(i), int64_t(i) + 1),
                                         encoded_once(*all, names, tasks[i], levels[i])));
      return at::cat(rows);
    };
  }

  Options options_;
  ClassTexts plain_;
  Side image_, text_;
  Mahalanobis gaussians_;  // of each learned task's features
};

LearnerRow diki_learner() {
  return learner_row<Diki>(
      {.paper = "Tang et al., ECCV 2024",
       .about = "Keys and values of every task beside attention's, added to what it finds, as much "
                "as an image is like the task's.",
       .stores = "Keys and values of both towers and a Gaussian a task, and the classes' names.",
       .differs =
           "Every image chooses its own task and weight. The authors' code takes the task that "
           "most images of a test batch choose, and the batch's mean weight for texts. Texts are "
           "encoded for a few weights, of which an image takes the nearest.",
       .needs = {.task_id_at_train = true, .boundaries = true, .many_passes = true},
       .network = Network::clip,
       .training = {.epochs = 10, .batch_size = 128, .optimizer = {.lr = 5}}});
}

}  // namespace patina

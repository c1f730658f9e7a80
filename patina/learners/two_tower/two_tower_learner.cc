#include "patina/learners/two_tower/two_tower_learner.h"

#include <algorithm>

#include "patina/base/json.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

void TwoTowerLearner::bind_compete(Fields& f, std::string& compete) {
  f("compete", compete, "Among which classes a sample's own is learned: the task's, or all seen.",
    {"task", "seen"});
}

TwoTowerLearner::TwoTowerLearner(Setup setup, const ClassTextOptions& texts, const Way& way)
    : clip_(setup.backbone), seeds_(setup.seeds), way_(way), texts_(clip_, texts, way.room) {}

void TwoTowerLearner::begin_task(const Task& task, Trainer&) {
  names_.insert(names_.end(), task.names.begin(), task.names.end());
  first_ = way_.compete == "seen" ? 0 : task.classes.front();
  changed();
}

void TwoTowerLearner::take(const UnitedClasses& classes) {
  names_ = classes.names;
  changed();
}

void TwoTowerLearner::drop(int64_t target) {
  names_.erase(names_.begin() + target);
  changed();
}

Tensor TwoTowerLearner::image_features(const Input& images) const {
  return clip_.features(images);
}

Tensor TwoTowerLearner::text_features(const std::vector<std::string>& names) const {
  return texts_.frozen(names);
}

// CE(τ cos(f(x), t_c), y) over the competing classes c.
Tensor TwoTowerLearner::loss(const Batch& batch, const Step&) {
  const Tensor scores = clip_.similarity(image_features(batch.input), text_features(competing()));
  return nn::cross_entropy(scores, batch.target - first_);
}

Classifier TwoTowerLearner::classifier(const std::vector<std::string>& names) const {
  return [this, classes = text_features(names)](const Question& asked) {
    return clip_.similarity(image_features(asked.input), classes);
  };
}

Classifier TwoTowerLearner::frozen_classifier(const Tensor& texts) const {
  return [this, texts](const Question& asked) {
    return clip_.similarity(clip_.features(asked.input), texts);
  };
}

Tensor TwoTowerLearner::places_of(const std::vector<std::string>& asked) const {
  std::vector<int64_t> places;
  for (size_t i = 0; i < asked.size(); ++i) {
    // Classes of two tasks may have one name: asked for all of them, each has its own place.
    const auto found =
        asked == names_ ? names_.begin() + int64_t(i) : std::ranges::find(names_, asked[i]);
    places.push_back(found == names_.end() ? int64_t(names_.size() + i) : found - names_.begin());
  }
  return tensor_of(places, clip_.place().device);
}

Classifier TwoTowerLearner::by_name(const std::vector<std::string>& names) const {
  NoGrad no_grad;
  return [made = classifier(names)](const Question& asked) {
    NoGrad no_grad;
    return made(asked);
  };
}

Tensor TwoTowerLearner::scores(const Question& asked) const {
  const auto made = [this] {
    const std::lock_guard lock(mutex_);
    if (!known_) known_ = std::make_shared<const Classifier>(by_name(names_));
    return known_;
  }();
  return (*made)(asked);
}

void TwoTowerLearner::state(Archive& a) {
  Json names = names_;
  a("names", names);
  if (a.loading()) names_ = names.get<std::vector<std::string>>();
  a("first", first_);
  if (way_.frozen_texts) texts_.state(a, names_);
  changed();
}

}  // namespace patina

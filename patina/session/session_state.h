// What a session consists of: how it learns, and the model that its readers use.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "patina/session/answering.h"
#include "patina/session/artefact.h"
#include "patina/session/rig.h"
#include "patina/session/session.h"
#include "patina/session/sources.h"

namespace patina {

inline constexpr Grant kClassIncremental{
    .task_id_at_train = true, .boundaries = true, .many_passes = true, .new_classes = true};

struct Session::State {
  /// The state that readers use: immutable once published.
  struct Model {
    std::shared_ptr<Backbone> backbone;
    std::shared_ptr<const LearnedSources> samples;
    std::unique_ptr<Rig> rig;
    std::vector<std::string> classes;
    std::vector<int64_t> class_of_column, task_of_class;
    int64_t tasks = 0;
    std::vector<std::string> task_names;

    int64_t number_of(const std::string& name) const {
      const auto at = std::ranges::find(classes, name);
      return at == classes.end() ? -1 : at - classes.begin();
    }
  };

  std::shared_ptr<SessionRecipe> recipe;
  Grant grant = kClassIncremental;
  std::string hash;        // of the backbone's weights before any learning
  bool in_memory = false;  // the backbone was passed as an object
  bool carried = false;    // or came out of the artefact
  std::string journal;     // SaveOptions::journal of that artefact
  // Before any learning, if the learner trains it: methods read the pre-trained weights when they
  // are constructed. Null: all models share one backbone.
  std::shared_ptr<const Backbone> pretrained;
  bool samples_lost = false;  // the learner refers to samples that an artefact was saved without
  int data_threads = 0;
  std::shared_ptr<ImageCache> images;
  std::shared_ptr<Observer> observer;

  std::mutex learning;
  mutable std::mutex publishing;
  std::shared_ptr<const Model> published;

  std::shared_ptr<const Model> model() const {
    const std::lock_guard lock(publishing);
    return published;
  }
  void publish(std::shared_ptr<const Model> next) {
    const std::lock_guard lock(publishing);
    published = std::move(next);
  }

  const LearnerRow& row() const { return recipe->learner.row(); }

  std::unique_ptr<Rig> rig_on(Backbone& backbone, const Source& samples) const {
    return std::make_unique<Rig>(backbone, samples, samples,
                                 RigOptions{.row = &row(),
                                            .learner = recipe->learner.options.get(),
                                            .training = recipe->training,
                                            .seeds = Seeds(uint64_t(recipe->seed)),
                                            .grant = grant,
                                            .train_transform = recipe->train_transform,
                                            .test_transform = recipe->test_transform,
                                            .text = recipe->text,
                                            .images = images,
                                            .data_threads = data_threads,
                                            .between_steps = stop_if_asked});
  }

  /// A copy of `from` that may be changed, with `samples`.
  std::shared_ptr<Model> copied(const Model& from,
                                std::shared_ptr<const LearnedSources> samples) const {
    auto next = std::make_shared<Model>();
    next->backbone = pretrained ? pretrained->clone() : from.backbone;
    next->samples = std::move(samples);
    next->rig = rig_on(*next->backbone, *next->samples);
    next->classes = from.classes;
    next->class_of_column = from.class_of_column;
    next->task_of_class = from.task_of_class;
    next->tasks = from.tasks;
    next->task_names = from.task_names;
    Archive archive;
    // Saving only reads; the interface is the same for saving and loading.
    archive("learner", const_cast<Rig&>(*from.rig).learner());
    archive("trainer", const_cast<Rig&>(*from.rig).trainer());
    Archive state = std::move(archive).reopened();
    next->rig->learner_state(state);
    state("trainer", next->rig->trainer());
    return next;
  }

  void learn(const std::shared_ptr<const Source>& source, const std::string& name);
  void merge(const State& other);
  void check_learnable(const Model& before, const Source& source) const;
  /// The samples so far and those of `source`, where its answers can be learned with them.
  std::shared_ptr<const LearnedSources> with_texts(const Model& before,
                                                   std::shared_ptr<const Source> source) const;
  void check_chooses() const;
  Answering answering(const Model& model) const;
  std::vector<Tensor> scores(const Model& model, const Source& source, int64_t task) const;
  std::vector<std::vector<Prediction>> predict(const Source& source,
                                               const PredictOptions& options) const;
};

/// One call of a session, with its own accounting of work. The caller's work can stop it.
class Call {
 public:
  explicit Call(const std::shared_ptr<Observer>& observer)
      : work_(observer         ? observer.get()
              : current_work() ? current_work()->observer
                               : nullptr) {
    if (const Work* caller = current_work()) work_.should_stop = caller->should_stop;
    scope_.emplace(&work_);
  }

 private:
  Work work_;
  std::optional<WorkScope> scope_;
};

}  // namespace patina

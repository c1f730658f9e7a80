// A learner with everything that runs it: feeds, sample loader, trainer.
#pragma once

#include <functional>
#include <memory>

#include "patina/data/feed.h"
#include "patina/learn/learner.h"

namespace patina {

struct RigOptions {
  const LearnerRow* row = nullptr;  // lent
  const LearnerOptions* learner = nullptr;
  TrainingOptions training;
  Seeds seeds = Seeds(1993);
  Grant grant;
  TransformOptions train_transform, test_transform;  // for images
  TextOptions text;                                  // for texts
  std::shared_ptr<ImageCache> images;                // null: decoded images are not cached
  int data_threads = 0;  // for decoding and transforms; 0: one per core. Does not change results.
  std::function<void()> between_steps;
  Workers* workers = nullptr;  // lent; null: there is this process alone
  bool ungranted = false;      // a baseline that runs without the grants it needs
};

/// Throws Error(recipe), with the reason, if a method cannot use a network.
void check_fits(const LearnerRow& row, const Backbone& backbone);

class Rig {
 public:
  /// Sources and backbone are lent; the learner may change the backbone's weights. Batches go to
  /// the backbone's place. Throws Error(recipe) if method, network and samples do not fit together,
  /// and Error(scenario) if the grant lacks what the method needs.
  Rig(Backbone& backbone, const Source& train, const Source& test, const RigOptions& options);
  Rig(const Rig&) = delete;
  Rig& operator=(const Rig&) = delete;

  Learner& learner() { return *learner_; }
  const Learner& learner() const { return *learner_; }
  Trainer& trainer() { return *trainer_; }
  const Feed& test_feed() const { return *test_feed_; }
  const Feed& train_feed() const { return *train_feed_; }
  ThreadPool& pool() const { return pool_; }
  const Grant& grant() const { return grant_; }

  /// The learner under the key "learner"; loaded tensors are at the backbone's place.
  void learner_state(Archive& a);

  /// Learns a task to its end; afterwards scores are available.
  void learn(const Task& task);

  /// From now on memories can only load samples that the stream has shown.
  void guard_samples() { samples_.guard(); }
  void show(const Dataset& data) { samples_.show(data); }

 private:
  Grant grant_;
  Place place_;
  std::unique_ptr<Feed> train_feed_, test_feed_;
  mutable ThreadPool pool_;
  SampleLoader samples_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<Trainer> trainer_;
};

}  // namespace patina

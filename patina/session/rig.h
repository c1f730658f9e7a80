// A learner with everything it is driven with: feeds, sample loader, trainer.
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
  Seeds seeds;
  Grant grant;
  TransformOptions train_transform, test_transform;  // where samples are images
  TextOptions text;                                  // where they are texts
  std::shared_ptr<ImageCache> images;                // null: decoded images are not kept
  int data_threads = 0;  // that decode and transform; 0: one per core. Changes no result.
  std::function<void()> between_steps;
  bool ungranted = false;  // a baseline that runs where the grant lacks what it needs
};

/// Throws Error(recipe) where a method cannot work on a network, and says why.
void check_fits(const LearnerRow& row, const Backbone& backbone);

class Rig {
 public:
  /// Sources and backbone are lent; the learner may change the backbone's weights. Throws Error
  /// where they do not fit each other: Error(scenario) where the grant lacks what the method needs.
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

  /// Learns a task to its end, so that scores may be asked for.
  void learn(const Task& task);

  /// Memories give back only what was shown from now on: a stream shows each task as it comes.
  void guard_samples() { samples_.guard(); }
  void show(const Dataset& data) { samples_.show(data); }

 private:
  Grant grant_;
  std::unique_ptr<Feed> train_feed_, test_feed_;
  mutable ThreadPool pool_;
  SampleLoader samples_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<Trainer> trainer_;
};

}  // namespace patina

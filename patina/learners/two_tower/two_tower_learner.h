// Base of methods that classify an image by the texts of the classes: an image tower and a text
// tower with a common space, the names of the classes seen, and a classifier for any names.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "patina/learn/class_texts.h"
#include "patina/learn/learner.h"

namespace patina {

/// A method overrides the features that it changes, or the whole classifier. By default images and
/// texts are those of the frozen network, nothing is trained, and the loss is the cross-entropy of
/// the similarities. What a classifier computes of names alone it computes once, until something is
/// learned.
class TwoTowerLearner : public Learner {
 public:
  void begin_task(const Task& task, Trainer& trainer) override;
  Tensor loss(const Batch& batch, const Step& step) override;
  void after_step(const Batch&, const Step&) override { changed(); }
  void end_task(const Task&, Trainer&) override { changed(); }
  Tensor scores(const Question& asked) const final;
  Classifier by_name(const std::vector<std::string>& names) const final;
  std::vector<ParamGroup> trainable() override { return {}; }
  void state(Archive& a) override;

 protected:
  struct Way {
    bool frozen_texts = true;  // the text tower's features of a name do not change
    std::string compete = {};  // "seen": all classes seen do in the loss; otherwise the task's
    int64_t room = 0;          // learned tokens in front of a sentence
  };
  /// The value of `Way::compete` as an option.
  static void bind_compete(Fields& f, std::string& compete);
  TwoTowerLearner(Setup setup, const ClassTextOptions& texts, const Way& way);

  virtual Tensor image_features(const Input& images) const;                   // [B,E]
  virtual Tensor text_features(const std::vector<std::string>& names) const;  // [n,E]
  /// In the method's present state; called without gradients.
  virtual Classifier classifier(const std::vector<std::string>& names) const;
  /// The frozen network's, by texts of the names: before anything was learned.
  Classifier frozen_classifier(const Tensor& texts) const;
  /// Where the score of each name stands among those of the names seen, behind which every name
  /// asked for has one, too: for methods whose own scores need a learned name. [n], at the
  /// network's place
  Tensor places_of(const std::vector<std::string>& asked) const;
  /// To be called when something was learned outside a training step.
  void changed() { known_.reset(); }
  /// Takes the names of the classes of this learner and another.
  void take(const UnitedClasses& classes);
  /// Forgets the name of a class.
  void drop(int64_t target);

  Backbone& clip() const { return clip_; }
  const Seeds& seeds() const { return seeds_; }
  const ClassTexts& texts() const { return texts_; }
  /// Of the classes seen, by their numbers.
  const std::vector<std::string>& names() const { return names_; }
  /// Those that compete in the loss are the classes from here on.
  int64_t first() const { return first_; }
  std::vector<std::string> competing() const { return {names_.begin() + first_, names_.end()}; }

 private:
  Backbone& clip_;
  Seeds seeds_;
  Way way_;
  ClassTexts texts_;
  std::vector<std::string> names_;
  int64_t first_ = 0;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Classifier> known_;  // for the classes seen; null: to be made
};

}  // namespace patina

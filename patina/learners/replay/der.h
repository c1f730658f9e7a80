// DER, as the base of MEMO, which adds less per task. See der.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/learn/class_tasks.h"
#include "patina/learn/learner.h"
#include "patina/learners/replay/herded_memory.h"
#include "patina/nn/heads.h"

namespace patina {

struct DerOptions : HerdedMemoryOptions {
  double auxiliary = 1;

  void bind(Fields& f);
};

class Der : public Learner {
 public:
  struct Options : LearnerOptions, DerOptions {
    void bind(Fields& f) override { DerOptions::bind(f); }
  };

  Der(Setup setup, const DerOptions& options);

  void begin_task(const Task& task, Trainer& trainer) override;
  void fit(const Task& task, Trainer& trainer) override;
  Tensor loss(const Batch& batch, const Step& step) override;
  void end_task(const Task& task, Trainer& trainer) override;
  Tensor scores(const Question& asked) const override;
  std::vector<ParamGroup> trainable() override;
  void state(Archive& a) override;

 protected:
  /// A frozen copy of the newest network.
  virtual std::unique_ptr<Backbone> kept() const;
  /// Saves or loads the task-specific part of a frozen network.
  virtual void state_of(Archive& a, const std::string& key, Backbone& network);
  /// Unfreezes the part of the newest network that is trained from the second task on.
  virtual void unfreeze(Backbone& newest);
  /// Features of each frozen network and, with a graph, of the newest: [B,D] each.
  virtual std::vector<Tensor> features(const Input& input) const;

  Backbone& newest() const { return newest_; }
  const std::vector<std::unique_ptr<Backbone>>& earlier() const { return earlier_; }

 private:
  int64_t width() const { return newest_.width() * int64_t(earlier_.size() + 1); }
  std::vector<const Backbone*> networks() const;

  Backbone& newest_;  // trained in place
  Seeds seeds_;
  DerOptions options_;
  std::vector<std::unique_ptr<Backbone>> earlier_;
  nn::LinearHead head_, auxiliary_;
  HerdedMemory memory_;
  ClassTasks tasks_;
};

}  // namespace patina

// CoMA, for CoFiMA, which averages in another way. What it is stands in coma.cc.
#pragma once

#include "patina/learners/representation/slca.h"

namespace patina {

struct ComaOptions : SlcaOptions {
  double part = 0.4;

  void bind(Fields& f);
};

class Coma : public Slca {
 public:
  struct Options : LearnerOptions, ComaOptions {
    void bind(Fields& f) override { ComaOptions::bind(f); }
  };

  Coma(Setup setup, const ComaOptions& options);

  void end_task(const Task& task, Trainer& trainer) override;
  void state(Archive& a) override;

 protected:
  /// Of the previous network's tensors and those, in the same places, that the task trained. Called
  /// after the first task too, where both are empty.
  virtual Weights averaged(const Weights& previous, const Weights& trained, const Task& task,
                           Trainer& trainer);
  double part() const { return part_; }

 private:
  void consolidate(const Task& task, Trainer& trainer) final;

  double part_;
  Weights previous_;  // network(); empty before the first task's end
};

}  // namespace patina

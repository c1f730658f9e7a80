// CoMA, as the base of CoFiMA, which averages differently. See coma.cc.
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
  /// Averages the tensors of the previous network with the corresponding ones after training. Also
  /// called after the first task, with empty lists.
  virtual Weights averaged(const Weights& previous, const Weights& trained, const Task& task,
                           Trainer& trainer);
  double part() const { return part_; }

 private:
  void consolidate(const Task& task, Trainer& trainer) final;

  double part_;
  Weights previous_;  // network(); empty before the end of the first task
};

}  // namespace patina

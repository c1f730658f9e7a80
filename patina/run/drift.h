// The drift meter: how far learning moved a language model from what it was.
#pragma once

#include <string>
#include <vector>

#include "patina/session/probes.h"

namespace patina {

/// One measurement. KL divergences are in nats, means over the tokens of held prompts: of the next
/// word's distribution now from that of an earlier model, KL(earlier ‖ now).
struct DriftPoint {
  double from_base = 0;     // from the model before learning
  double from_before = 0;   // from the model at the measurement before
  double general_loss = 0;  // mean -log p of the general text's tokens, in nats
  double general_bits_per_byte = 0;
};

class Drift {
 public:
  /// Reads the distributions of the model as it is now: before learning. The held prompts are the
  /// first test samples of all tasks in turn, 32 tokens of each, until they have `tokens` tokens.
  /// `general`: a text; "": one that comes with patina.
  Drift(const Asking& asking, const Scenario& scenario, int64_t tokens, const std::string& general);

  /// To be called before learning and after each task.
  void measure(const Generator& learner);
  const std::vector<DriftPoint>& points() const { return points_; }
  void state(Archive& a);

 private:
  Tensor distributions(const Generator* learner) const;  // [N,V] log p, on the host

  const Backbone& backbone_;
  Input held_;                  // [P,T]
  std::vector<Input> general_;  // pieces of the general text
  int64_t general_bytes_ = 0;
  Tensor base_, before_;  // [N,V] log p
  std::vector<DriftPoint> points_;
};

/// A short English text about everyday things, written for this purpose.
std::string general_text();

}  // namespace patina

// Where training stands when a learner is called.
#pragma once

#include <cstdint>

namespace patina {

class Dataset;
class Trainer;

/// A gradient step's place in the training of some samples, and the learning rate it is taken at. A
/// single-pass stretch is one epoch of unknown length.
struct Step {
  int64_t epoch = 0, epochs = 1;  // from 0, of so many
  int64_t step = 0, steps = 1;    // within the epoch, from 0, of so many
  int64_t taken = 0;              // gradient steps of the whole run before this one
  double rate = 0;                // by the schedule, before a group's own factor
  bool descent = true;            // plain gradient descent; otherwise Adam's

  Trainer* trainer = nullptr;        // the service that takes it; lent
  const Dataset* samples = nullptr;  // what is learned, where it is more than one batch; lent

  /// Gradient steps on these samples before this one.
  int64_t before() const { return epoch * steps + step; }
};

}  // namespace patina

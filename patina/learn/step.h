// The position in training, passed to a learner's hooks.
#pragma once

#include <algorithm>
#include <cstdint>

#include "patina/tensor.h"

namespace patina {

class Dataset;
class Trainer;

/// A gradient step: its position in the training on some samples, and its learning rate. A
/// single-pass stretch counts as one epoch of unknown length.
struct Step {
  int64_t epoch = 0, epochs = 1;  // from 0; number of epochs
  int64_t step = 0, steps = 1;    // within the epoch, from 0; steps per epoch
  int64_t taken = 0;              // gradient steps of the run before this one
  double rate = 0;                // learning rate by the schedule, without the group's factor
  double unscaled_rate = 0;       // the part of it that no group's factor multiplies
  bool descent = true;            // plain gradient descent; false: Adam
  int64_t tokens = 0;             // of the whole batch that carry loss; 0: of classes
  int64_t part = 0, parts = 1;    // the part of the batch, where it is learned in several
  double weight = 1;              // of the part's loss in that of the batch

  Trainer* trainer = nullptr;        // the trainer that takes the step; lent
  const Dataset* samples = nullptr;  // the samples being learned, if more than one batch; lent

  /// A number of its own for every part of every step, as an index of random numbers.
  uint64_t number() const { return uint64_t(taken) + (uint64_t(part) << 40); }
  /// This part's share of `count` things that are drawn for a step; at least one.
  int64_t share(int64_t count) const {
    return std::max<int64_t>(1, count * (part + 1) / parts - count * part / parts);
  }
  /// Gradient steps on these samples before this one.
  int64_t before() const { return epoch * steps + step; }
};

/// Puts the rows that a part of a step leaves for its end below those of the parts before; the
/// first part's replace what an earlier step left. [N,...] and [n,...] -> [N+n,...]
void collect(Tensor& rows, const Tensor& of_part, const Step& step);

}  // namespace patina

// Access to samples' positions in their source, for streams, evaluation and memory. Learners and
// their building blocks do not include this.
#pragma once

#include "patina/data/dataset.h"

namespace patina {

struct SampleAccess {
  static const Source& source(const Dataset& data) { return data.source(); }
  static int64_t position(const Dataset& data, int64_t i) { return data.position(i); }
  static SampleHandle handle(int64_t position, int64_t target) { return {position, target}; }
  static Batch batch(Input input, const Tensor& target, const Tensor& sample) {
    Batch batch;
    batch.input = std::move(input);
    batch.target = target;
    batch.row = batch.sample_ = sample;
    return batch;
  }
  static int64_t position(const SampleHandle& sample) { return sample.position_; }
};

}  // namespace patina

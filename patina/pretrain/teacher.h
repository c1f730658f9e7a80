// The teacher of a pre-training: a larger trained network, whose features are computed once.
#pragma once

#include "patina/data/dataset.h"
#include "patina/models/catalog.h"

namespace patina {

struct TeacherOptions {
  ModelOptions model;
  double weight = 1;  // of 1 - cos(student, teacher)
  void bind(Fields& f);
};

/// The teacher's features of a dataset that has every sample of its source, [N,D] on the host. They
/// are kept in `file`, and read from there the next time.
Tensor teacher_features(Backbone& teacher, const Place& place, const Dataset& samples,
                        ThreadPool& pool, const fs::path& file, bool bf16 = false);

}  // namespace patina

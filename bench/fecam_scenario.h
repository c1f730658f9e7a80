// FeCAM's scoring of a batch: the distance of every sample to every class. Beside patina's it runs
// the plain form that Python implementations use: a pseudo-inverse for every class, and of all
// samples' products with each other under it the diagonal.
#pragma once

#include <cstdint>

namespace patina::bench {

struct FecamTimes {
  double direct = 0, ours = 0;  // seconds for the batch: medians
  double preparing = 0;         // seconds that making our factors takes, once for all batches
  double difference = 0;        // largest, of the distances, as a part of the largest distance
};

/// `samples` [.,dims] scored against `classes` random Gaussians, each form in turn.
FecamTimes time_fecam_scoring(int64_t samples, int64_t dims, int64_t classes);

}  // namespace patina::bench

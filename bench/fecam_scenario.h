// FeCAM's scoring of a batch: the distance of every sample to every class. Compares patina with the
// plain form of Python implementations: a pseudo-inverse per class, and the diagonal of the matrix
// of products between all samples.
#pragma once

#include <cstdint>

namespace patina::bench {

struct FecamTimes {
  double direct = 0, ours = 0;  // seconds per batch, medians
  double preparing = 0;         // seconds to compute our factors, once for all batches
  double difference = 0;        // largest difference of distances, relative to the largest distance
};

/// Scores `samples` [.,dims] against `classes` random Gaussians, alternating between both forms.
FecamTimes time_fecam_scoring(int64_t samples, int64_t dims, int64_t classes);

}  // namespace patina::bench

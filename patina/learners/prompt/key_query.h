// Choosing entries of a pool by keys: a sample's query, the frozen network's feature of it, is
// compared with every key by its cosine (cosine_scores). Wang et al., "L2P", CVPR 2022.
#pragma once

#include <mutex>
#include <vector>

#include "patina/base/json_fwd.h"
#include "patina/tensor.h"

namespace patina {

/// The `count` entries of each sample that are most similar: [B,M] -> [B,count] int64.
Tensor nearest(const Tensor& similarity, int64_t count);

/// For every sample the entries that the batch chose most often, of equally frequent ones the
/// smaller: what some implementations do, at test too. It makes a sample's scores depend on the
/// rest of its batch, so it belongs behind a compat option. chosen [B,k] of `entries` -> [B,k].
Tensor majority(const Tensor& chosen, int64_t entries);

/// A pool's entries: pool [M,...], chosen [B,k] -> [B,k,...].
Tensor picked(const Tensor& pool, const Tensor& chosen);

/// Mean over the batch of the summed similarities of what was chosen, which training raises.
/// similarity [B,M], chosen [B,k] -> scalar.
Tensor pull(const Tensor& similarity, const Tensor& chosen);

/// How often each entry was chosen, so that a selection that collapses to one entry shows.
/// Thread-safe: scoring counts.
class Usage {
 public:
  void reset();
  /// chosen: any shape, int64 below `entries`.
  void add(const Tensor& chosen, int64_t entries);
  /// {"histogram": [...], "entropy": in nats, "entropy_part": of log(entries), null for one entry};
  /// null where nothing was counted.
  Json json() const;

 private:
  mutable std::mutex mutex_;
  std::vector<int64_t> counts_;
};

}  // namespace patina

// Selects entries of a pool by keys: a sample's query, its feature under the frozen network, is
// compared with every key by cosine (cosine_scores). Wang et al., "L2P", CVPR 2022.
#pragma once

#include <vector>

#include "patina/tensor.h"

namespace patina {

/// The `count` most similar entries for each sample: [B,M] -> [B,count] int64.
Tensor nearest(const Tensor& similarity, int64_t count);

/// Replaces every sample's entries by those that the batch chose most often (among equals the lower
/// index), as some implementations do, also at test time. It makes a sample's scores depend on the
/// rest of its batch, so it is only for a compatibility option. chosen [B,k] of `entries` -> [B,k].
Tensor majority(const Tensor& chosen, int64_t entries);

/// Gathers entries of a pool: pool [M,...], chosen [B,k] -> [B,k,...].
Tensor picked(const Tensor& pool, const Tensor& chosen);

/// L2P's key loss, to be maximised: the mean over the batch of the summed similarities of the
/// chosen entries. similarity [B,M], chosen [B,k] -> scalar.
Tensor pull(const Tensor& similarity, const Tensor& chosen);

}  // namespace patina

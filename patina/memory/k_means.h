// k-means: clusters of features, for memories that keep one sample of each.
#pragma once

#include <vector>

#include "patina/base/random.h"
#include "patina/tensor.h"

namespace patina {

/// The rows of `features` [N,D] nearest to the centres of `count` clusters, one for each,
/// ascending; all rows if there are no more than `count`. Centres begin as k-means++ draws them
/// (Arthur and Vassilvitskii, SODA 2007) and move by Lloyd's iterations until no row changes its
/// cluster.
std::vector<int64_t> cluster_representatives(const Tensor& features, int64_t count, Random random);

}  // namespace patina

// k-means: clusters of features.
#pragma once

#include <vector>

#include "patina/base/random.h"
#include "patina/tensor.h"

namespace patina {

/// The centres of `count` clusters of `features` [N,D]: [count,D] double, on the host; all rows if
/// there are no more than `count`. Centres begin as k-means++ draws them (Arthur and Vassilvitskii,
/// SODA 2007) and move by Lloyd's iterations until no row changes its cluster.
Tensor cluster_centres(const Tensor& features, int64_t count, Random random);

/// The rows of `features` [N,D] nearest to these centres, one for each, ascending; all rows if
/// there are no more than `count`.
std::vector<int64_t> cluster_representatives(const Tensor& features, int64_t count, Random random);

}  // namespace patina

// Optimal transport: how much of each source goes to each target, at the least cost.
#pragma once

#include "patina/tensor.h"

namespace patina {

/// The plan Γ that minimises <Γ, cost> - regularization H(Γ), where every row sums to 1/N and every
/// column to 1/M: Sinkhorn's iterations (Cuturi, NeurIPS 2013) on logarithms, so that no cost is
/// too large, until no row's sum is off by more than 1e-9, or a thousand times. Columns are exact.
/// cost [N,M] -> [N,M] double.
Tensor sinkhorn(const Tensor& cost, double regularization);

}  // namespace patina

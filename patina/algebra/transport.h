// Optimal transport: how much of each source goes to each target, at minimal cost.
#pragma once

#include "patina/tensor.h"

namespace patina {

/// The plan Γ that minimises <Γ, cost> - regularization H(Γ), with row sums 1/N and column sums
/// 1/M: Sinkhorn's iterations (Cuturi, NeurIPS 2013) on logarithms, which large costs do not
/// overflow. Stops when all row sums are within 1e-9, or after a thousand iterations. Column sums
/// are exact. cost [N,M] -> [N,M] double.
Tensor sinkhorn(const Tensor& cost, double regularization);

}  // namespace patina

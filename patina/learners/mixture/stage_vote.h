// Selects the stage (of several independently trained ones) that a sample belongs to, from the
// energies of their scores under several temperatures. Wang et al., "Isolation and Impartial
// Aggregation" (ESN), AAAI 2023. Stage j gives scores z_j [B,K_j].
#pragma once

#include <span>
#include <vector>

#include "patina/tensor.h"

namespace patina {

/// log Σ_c exp(z_jc / τ): [B,J].
Tensor stage_energies(const std::vector<Tensor>& scores, double temperature);

/// The temperature for which most samples have their largest energy at stage `own`; the first one
/// among equals.
double separating_temperature(const std::vector<Tensor>& scores, int64_t own,
                              std::span<const double> candidates);

/// Every temperature votes for the stage with the largest energy; the stage with most votes wins,
/// among equals the first: [B].
Tensor voted_stage(const std::vector<Tensor>& scores, std::span<const double> temperatures);

}  // namespace patina

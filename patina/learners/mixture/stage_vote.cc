#include "patina/learners/mixture/stage_vote.h"

#include "patina/ops.h"

namespace patina {

Tensor stage_energies(const std::vector<Tensor>& scores, double temperature) {
  std::vector<Tensor> energies;
  for (const auto& z : scores)
    energies.push_back(at::logsumexp(z / temperature, at::IntArrayRef{1}));
  return at::stack(energies, 1);
}

double separating_temperature(const std::vector<Tensor>& scores, int64_t own,
                              std::span<const double> candidates) {
  double best = candidates[0];
  int64_t most = -1;
  for (const double temperature : candidates) {
    const int64_t right =
        (stage_energies(scores, temperature).argmax(1) == own).sum().item<int64_t>();
    if (right > most) most = right, best = temperature;
  }
  return best;
}

Tensor voted_stage(const std::vector<Tensor>& scores, std::span<const double> temperatures) {
  const auto stages = int64_t(scores.size());
  // Votes count in multiples of `stages`; the smaller numbers added below break ties.
  Tensor votes = at::arange(stages - 1, -1, -1, scores[0].options().dtype(at::kLong)).unsqueeze(0);
  for (const double temperature : temperatures)
    votes = votes + stages * at::one_hot(stage_energies(scores, temperature).argmax(1), stages);
  return votes.argmax(1);
}

}  // namespace patina

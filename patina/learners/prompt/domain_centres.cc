#include "patina/learners/prompt/domain_centres.h"

#include "patina/algebra/cosine.h"
#include "patina/memory/k_means.h"
#include "patina/ops.h"

namespace patina {

void DomainCentres::add(const Tensor& features, int64_t count, Random random) {
  centres_.push_back(
      on(features.device(),
         cluster_centres(normalized(features), count, random).to(features.scalar_type())));
}

Tensor DomainCentres::domain_of(const Tensor& features) const {
  if (centres_.empty()) return at::zeros({features.size(0)}, at::kLong);
  const Tensor z = normalized(features);
  std::vector<Tensor> nearest;
  for (const Tensor& centres : centres_)
    nearest.push_back((z.unsqueeze(1) - centres.unsqueeze(0)).abs().sum(-1).amin(1));
  return on_host(at::stack(nearest, 1).argmin(1));
}

}  // namespace patina

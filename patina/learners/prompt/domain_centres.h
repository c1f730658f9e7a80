// Which domain an image is from: the one with the nearest centre of features under the frozen
// network. S-Prompts (Wang et al., NeurIPS 2022).
#pragma once

#include <vector>

#include "patina/algebra/prototypes.h"
#include "patina/base/random.h"
#include "patina/checkpoint/archive.h"

namespace patina {

/// Centres of k-means of each domain's features, scaled to unit length.
class DomainCentres {
 public:
  /// Adds a domain. features [N,D].
  void add(const Tensor& features, int64_t count, Random random);
  /// argmin over domains of min over centres of ‖z - c‖₁, z = f / |f|; the distance of the authors'
  /// code. Without a domain: 0. features [B,D] -> [B] on the host.
  Tensor domain_of(const Tensor& features) const;
  int64_t domains() const { return int64_t(centres_.size()); }
  void state(Archive& a) { a("centres", centres_); }

 private:
  std::vector<Tensor> centres_;  // of each domain, [k,D]
};

}  // namespace patina

// Samples that workers share batch by batch, and the rows they make of them.
#pragma once

#include <cstdint>
#include <vector>

#include "patina/dist/workers.h"

namespace patina {

/// An order of samples whose batches workers do in turn. Batches are the same for any number of
/// workers, so their rows are, too.
class RowShares {
 public:
  /// `order`: every index from 0 to N-1 once. `workers` (lent); null: this process does all.
  RowShares(Workers* workers, std::vector<int64_t> order, int64_t batch_size);

  /// The samples of this worker's batches.
  std::vector<int64_t> own() const;
  /// Exchanges rows [N,...] by their sample: each worker has filled in those of its own, and in the
  /// end all have all. Undefined where a worker has none.
  void complete(Tensor& rows) const;

 private:
  std::vector<int64_t> of(int rank) const;

  Workers* workers_;
  std::vector<int64_t> order_;
  int64_t batch_size_;
};

/// Puts what was made of some samples, a row each, to their places in `rows` [N,...], which is made
/// if there is none. Both are on the host.
void put_rows(Tensor& rows, int64_t count, const Tensor& places, const Tensor& made);

}  // namespace patina

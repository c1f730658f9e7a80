#include "patina/dist/row_shares.h"

#include <utility>

#include "patina/ops.h"
#include "patina/place.h"

namespace patina {

void put_rows(Tensor& rows, int64_t count, const Tensor& places, const Tensor& made) {
  if (!rows.defined()) {
    auto shape = made.sizes().vec();
    shape[0] = count;
    rows = at::zeros(shape, made.options());
  }
  rows.index_copy_(0, on(rows.device(), places), on(rows.device(), made));
}

RowShares::RowShares(Workers* workers, std::vector<int64_t> order, int64_t batch_size)
    : workers_(workers), order_(std::move(order)), batch_size_(batch_size) {}

std::vector<int64_t> RowShares::of(int rank) const {
  if (!workers_) return order_;
  std::vector<int64_t> samples;
  for (size_t i = 0; i < order_.size(); ++i)
    if (int64_t(i) / batch_size_ % workers_->size() == rank) samples.push_back(order_[i]);
  return samples;
}

std::vector<int64_t> RowShares::own() const {
  return of(workers_ ? workers_->rank() : 0);
}

void RowShares::complete(Tensor& rows) const {
  if (!workers_) return;
  const auto mine = own();
  const Tensor made =
      mine.empty() ? Tensor() : on_host(rows).index_select(0, tensor_of(mine)).contiguous();
  const Tensor all = gather_rows(*workers_, made);
  if (!all.defined()) return;
  std::vector<int64_t> places;
  for (int rank = 0; rank < workers_->size(); ++rank) {
    const auto its = of(rank);
    places.insert(places.end(), its.begin(), its.end());
  }
  put_rows(rows, int64_t(order_.size()), tensor_of(places), all);
}

}  // namespace patina

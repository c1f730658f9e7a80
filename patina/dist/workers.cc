#include "patina/dist/workers.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

bool any(Workers& workers, bool mine) {
  return workers.gather(at::full({1}, int64_t(mine), at::kLong)).sum().item<int64_t>() > 0;
}

namespace {

constexpr int64_t kMostDimensions = 6;

// Type and shape of a worker's rows, in a tensor of the same size for all.
Tensor told(const Tensor& rows) {
  std::vector<int64_t> about(size_t(kMostDimensions) + 2, 0);
  if (!rows.defined()) return tensor_of(about);
  PATINA_CHECK(rows.dim() <= kMostDimensions, "rows of too many dimensions");
  about[0] = rows.dim();
  about[1] = int64_t(rows.scalar_type());
  std::ranges::copy(rows.sizes(), about.begin() + 2);
  return tensor_of(about);
}

}  // namespace

Tensor gather_rows(Workers& workers, const Tensor& mine) {
  std::vector<std::vector<int64_t>> about;
  for (const Tensor& one : workers.gather(told(mine)).unbind()) about.push_back(items_of(one));
  const auto has_rows = [](const std::vector<int64_t>& one) { return one[0] > 0; };
  const auto shape = std::ranges::find_if(about, has_rows);
  if (shape == about.end()) return {};
  int64_t most = 0;
  for (const auto& one : about) most = std::max(most, one[2]);
  std::vector<int64_t> sizes(shape->begin() + 2, shape->begin() + 2 + (*shape)[0]);
  sizes[0] = most;
  // Padded to the longest, as all send the same number of bytes.
  Tensor sent = at::zeros(sizes, at::TensorOptions(at::ScalarType((*shape)[1])));
  if (mine.defined()) sent.slice(0, 0, mine.size(0)).copy_(mine);
  auto all = workers.gather(sent).unbind();
  for (size_t r = 0; r < all.size(); ++r) all[r] = all[r].slice(0, 0, about[r][2]);
  return at::cat(all);
}

std::vector<uint8_t> broadcast_bytes(Workers& workers, std::span<const uint8_t> bytes) {
  Tensor size = at::full({1}, int64_t(bytes.size()), at::kLong);
  workers.broadcast(size);
  Tensor sent = at::empty({size.item<int64_t>()}, at::kByte);
  const std::span<uint8_t> place(sent.data_ptr<uint8_t>(), size_t(sent.numel()));
  if (workers.first()) std::ranges::copy(bytes, place.begin());
  if (sent.numel() > 0) workers.broadcast(sent);
  return {place.begin(), place.end()};
}

Share share_of(int64_t items, int rank, int size) {
  return {items * rank / size, items * (rank + 1) / size};
}

}  // namespace patina

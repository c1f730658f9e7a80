#include "patina/dist/tree_sum.h"

#include <algorithm>
#include <utility>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

void TreeSum::add(Tensor leaf) {
  add(Node{.level = 0, .index = next_, .sum = std::move(leaf)});
}

void TreeSum::add(Node node) {
  PATINA_CHECK(node.index << node.level == next_ && next_ < leaves_, "a leaf out of order");
  next_ = std::min(leaves_, (node.index + 1) << node.level);
  nodes_.push_back(std::move(node));
  while (merge()) {
  }
}

// Makes the last node part of a larger one, if all leaves of that are there.
bool TreeSum::merge() {
  Node& last = nodes_.back();
  if (last.index % 2 == 0) {
    const bool root = last.index == 0 && int64_t{1} << last.level >= leaves_;
    if (root || (last.index + 1) << last.level < leaves_) return false;
    last = {last.level + 1, last.index / 2, std::move(last.sum)};
    return true;
  }
  if (nodes_.size() < 2) return false;
  Node& before = nodes_[nodes_.size() - 2];
  if (before.level != last.level || before.index + 1 != last.index) return false;
  if (last.sum.defined()) before.sum.add_(last.sum);
  ++before.level;
  before.index /= 2;
  nodes_.pop_back();
  return true;
}

namespace {

// The nodes of a worker, without their sums.
std::vector<TreeSum::Node> nodes_of(int64_t leaves, const Share& share) {
  TreeSum structure(leaves, share.first);
  for (int64_t i = share.first; i < share.last; ++i) structure.add(Tensor());
  return structure.nodes();
}

}  // namespace

Tensor total(Workers& workers, const TreeSum& own, int64_t leaves, const Tensor& like) {
  const int size = workers.size();
  const int64_t length = like.numel();
  const int64_t part = (length + size - 1) / size;
  const auto part_of = [&](int rank) {
    const int64_t first = std::min(length, rank * part);
    return Share{first, std::min(length, first + part)};
  };

  std::vector<Tensor> parts;
  std::vector<int64_t> to, from;
  const Share mine = part_of(workers.rank());
  for (int rank = 0; rank < size; ++rank) {
    const Share its = part_of(rank);
    for (const auto& node : own.nodes()) parts.push_back(node.sum.slice(0, its.first, its.last));
    to.push_back(int64_t(own.nodes().size()) * its.size());
    from.push_back(int64_t(nodes_of(leaves, share_of(leaves, rank, size)).size()) * mine.size());
  }
  const Tensor sent = parts.empty() ? like.slice(0, 0, 0) : at::cat(parts);
  const Tensor received = workers.exchange(sent, to, from);

  TreeSum all(leaves);
  int64_t at = 0;
  for (int rank = 0; rank < size; ++rank)
    for (auto node : nodes_of(leaves, share_of(leaves, rank, size))) {
      node.sum = received.slice(0, at, at + mine.size());
      at += mine.size();
      all.add(std::move(node));
    }
  // Padded, since every worker's part must have the same length.
  Tensor summed = all.nodes()[0].sum;
  if (mine.size() < part) summed = at::constant_pad_nd(summed, {0, part - mine.size()});
  return workers.gather(summed).flatten().slice(0, 0, length);
}

}  // namespace patina

// Sums whose rounding does not depend on who adds what.
#pragma once

#include <cstdint>
#include <vector>

#include "patina/dist/workers.h"
#include "patina/tensor.h"

namespace patina {

/// The sum of `leaves` tensors along a fixed binary tree. A node (level l, index i) is the sum of
/// the leaves from i 2^l on, at most 2^l of them: that of its halves, or its first half alone if
/// the leaves end there. Some of the leaves, added in their order, give the largest nodes that
/// consist of them. Holds at most log2(leaves) tensors more than nodes in the end.
class TreeSum {
 public:
  struct Node {
    int level = 0;
    int64_t index = 0;
    Tensor sum;  // may be undefined, where only the structure matters
  };

  /// `first`: the number of the leaf that is added first.
  explicit TreeSum(int64_t leaves, int64_t first = 0) : leaves_(leaves), next_(first) {}

  /// Adds the next leaf; the tensor is overwritten.
  void add(Tensor leaf);
  /// Adds the next leaves, which are one node.
  void add(Node node);
  /// In the order of leaves; one of them once all leaves were added.
  const std::vector<Node>& nodes() const { return nodes_; }

 private:
  bool merge();

  int64_t leaves_, next_;
  std::vector<Node> nodes_;
};

/// The sum of the leaves of all workers, of which each has added its share (share_of) to `own`. All
/// leaves are vectors like `like` [n]. Every worker adds up one part of the vectors, and all get
/// all parts: as many bytes as a ring all-reduce sends if every share is one node. [n]
Tensor total(Workers& workers, const TreeSum& own, int64_t leaves, const Tensor& like);

}  // namespace patina

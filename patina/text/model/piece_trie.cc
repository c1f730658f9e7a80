#include "patina/text/model/piece_trie.h"

#include <algorithm>

namespace patina {

PieceTrie::PieceTrie(std::vector<std::pair<std::string_view, int32_t>> pieces) {
  std::sort(pieces.begin(), pieces.end());
  first_.fill(kNone);
  const std::span all(pieces);
  for (size_t from = 0; from < all.size();) {
    const char label = all[from].first[0];
    size_t to = from;
    while (to < all.size() && all[to].first[0] == label) ++to;
    first_[uint8_t(label)] = build(all.subspan(from, to - from), 1);
    from = to;
  }
}

// Builds the node of all pieces that share their first `depth` bytes. Pieces have at most 64 KiB,
// which bounds the depth of the recursion.
int32_t PieceTrie::build(std::span<const std::pair<std::string_view, int32_t>> pieces,
                         size_t depth) {
  const auto node = int32_t(nodes_.size());
  nodes_.emplace_back();
  if (pieces.front().first.size() == depth) {
    nodes_[size_t(node)].id = pieces.front().second;
    pieces = pieces.subspan(1);
  }
  std::vector<std::pair<uint8_t, int32_t>> found;
  for (size_t from = 0; from < pieces.size();) {
    const auto label = uint8_t(pieces[from].first[depth]);
    size_t to = from;
    while (to < pieces.size() && uint8_t(pieces[to].first[depth]) == label) ++to;
    found.emplace_back(label, build(pieces.subspan(from, to - from), depth + 1));
    from = to;
  }
  nodes_[size_t(node)].first = int32_t(labels_.size());
  nodes_[size_t(node)].count = int32_t(found.size());
  for (const auto& [label, child] : found) {
    labels_.push_back(label);
    children_.push_back(child);
  }
  return node;
}

}  // namespace patina

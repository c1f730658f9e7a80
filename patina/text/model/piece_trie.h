// A trie of a model's pieces: finds those that a text begins with.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace patina {

class PieceTrie {
 public:
  PieceTrie() = default;
  /// `pieces`: texts and their ids. The texts are distinct and not empty.
  explicit PieceTrie(std::vector<std::pair<std::string_view, int32_t>> pieces);

  /// Calls found(length, id) for each piece that `text` begins with, the shortest first.
  template <class Found>
  void each_prefix(std::string_view text, Found found) const {
    int32_t node = text.empty() ? kNone : first_[uint8_t(text[0])];
    for (size_t length = 1; node != kNone; ++length) {
      const Node& here = nodes_[size_t(node)];
      if (here.id != kNone) found(length, here.id);
      if (length == text.size()) return;
      node = child(here, uint8_t(text[length]));
    }
  }

 private:
  static constexpr int32_t kNone = -1;
  struct Node {
    int32_t id = kNone;            // of the piece that ends here
    int32_t first = 0, count = 0;  // its children in labels_ and children_, sorted
  };
  int32_t child(const Node& node, uint8_t label) const {
    for (int32_t i = node.first; i < node.first + node.count; ++i)
      if (labels_[size_t(i)] >= label)
        return labels_[size_t(i)] == label ? children_[size_t(i)] : kNone;
    return kNone;
  }
  int32_t build(std::span<const std::pair<std::string_view, int32_t>> pieces, size_t depth);

  std::array<int32_t, 256> first_{};  // nodes of one byte
  std::vector<Node> nodes_;
  std::vector<uint8_t> labels_;
  std::vector<int32_t> children_;
};

}  // namespace patina

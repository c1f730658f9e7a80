// The beginning that all texts of a batch have in common, such as the instruction of a task's
// prompts: a frozen decoder reads it once.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "patina/models/text/text_tower.h"
#include "patina/nn/tensors_hash.h"

namespace patina {

/// Remembers what a decoder knows after the last beginning that a batch had in common, so that it
/// also serves batches that follow with the same one: a causal network's keys and values of a token
/// depend on the tokens before it alone. Thread-safe. A copy starts empty.
class SharedPrefix {
 public:
  /// The fewest tokens that are worth it: below, another pass through the blocks costs more.
  static constexpr int64_t kLeast = 16;

  SharedPrefix() = default;
  SharedPrefix(const SharedPrefix&) {}
  SharedPrefix& operator=(const SharedPrefix&);

  /// What is known of the first tokens of every row.
  struct Known {
    int64_t count = 0;
    nn::KeyValues cache;  // of each row
    Tensor tokens;        // [1,count,D] after the final norm
  };

  /// The first tokens of the input, which all its rows have in common; reads them if they are not
  /// remembered. Nothing for one row, if they are few, if gradients are asked for, or if the
  /// network or an adaptation makes of a token something else in another text. `weights` are the
  /// network's. At least one token of each row stays to be read.
  std::optional<Known> operator()(const TextTower& tower, const nn::Engine& engine,
                                  const std::vector<nn::NamedTensor>& weights, const Input& input,
                                  const nn::Adaptations& adaptations);

  /// How many tokens it has read so far: a batch's beginning counts once.
  int64_t tokens_read() const { return tokens_read_; }

 private:
  std::mutex mutex_;
  nn::TensorsHash weights_;
  int64_t changes_ = 0;  // of the weights
  std::string made_by_;  // weights, engine and adaptations
  std::vector<int64_t> ids_;
  nn::KeyValues cache_;  // of one row
  Tensor tokens_;        // [1,P,D]
  int64_t tokens_read_ = 0;
};

}  // namespace patina

// What a frozen part of a network makes of its own inputs, such as images that many texts name: it
// is looked up in the network's cache by the content of the input.
#pragma once

#include <functional>
#include <string>

#include "patina/models/backbone.h"

namespace patina {

/// Keys of rows [N,...] by their content, on the host: [N,2] int64.
Tensor content_keys(const Tensor& rows);

/// Among rows of equal keys, the first one stands for all.
struct Firsts {
  std::vector<int64_t> rows;   // the first of each key, ascending
  std::vector<int64_t> which;  // for each row, its place among them
};
Firsts firsts_of(const Tensor& keys);

/// Rows of one part of a network. Thread-safe; a copy starts without a hash.
class KeptRows {
 public:
  /// `compute(rows)`, which makes of each row alone [B,...] what is [B,shape...], in float. If none
  /// of the part's weights takes a gradient, rows are looked up in the network's cache first, and
  /// of equal ones one is computed. `what` says what is computed, but for the weights and the
  /// engine.
  Tensor operator()(const Backbone& network, const std::vector<nn::NamedTensor>& part,
                    const std::string& what, const Shape& shape, const Tensor& rows,
                    const std::function<Tensor(const Tensor& rows)>& compute) const;

 private:
  mutable nn::TensorsHash weights_hash_;
};

}  // namespace patina

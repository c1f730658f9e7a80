// Weights that stay as a file stores them: rows of bf16, of halves or of blocks of small whole
// numbers. Products read them as floats a part at a time, so that no whole copy in floats exists.
#pragma once

#include <string>
#include <vector>

#include "patina/kernels/blocks.h"
#include "patina/kernels/functions.h"

namespace patina::kernels {

/// How the bytes of a weight [N,K] hold its numbers. One weight may consist of several of a file
/// (queries, keys and values), whose types may differ.
struct WeightForm {
  struct Piece {
    BlockType type;
    int64_t rows;
  };
  std::vector<Piece> pieces;  // from the first row on; none: the tensor is floats [N,K]
  int64_t width = 0;          // K

  bool stored() const { return !pieces.empty(); }
  int64_t rows() const;  // N
  int64_t numbers() const { return rows() * width; }
  int64_t bytes_before(int64_t row) const;          // where a row begins
  WeightForm part(int64_t from, int64_t to) const;  // of rows [from, to)
  std::string text() const;                         // "Q4_K, Q6_K"
};

/// A weight in such a form.
struct StoredWeight {
  /// uint8 on the host: [number of bytes], row by row; or the tiles of weight_tiles.h, in two
  /// dimensions.
  Tensor bytes;
  WeightForm form;

  /// Rows [from, to). They share the bytes, except those of tiles that begin within a strip.
  StoredWeight part(int64_t from, int64_t to) const;
  /// All numbers: [N,K] float, a new tensor.
  Tensor floats() const;
  /// The rows of ids [..] int64: [..,K] float.
  Tensor rows_of(const Tensor& ids) const;
};

/// act(x Wᵀ + b) + end.add, as `linear` of functions.h computes it with the weight packed in `type`
/// (bf16 or float), bit for bit, without the packed weight. Gradients reach x, `bias` and
/// `end.add`; of a weight with more than 4096 rows that of x is the sum of several products.
Tensor linear(const Tensor& x, const StoredWeight& weight, const Tensor& bias, const LinearEnd& end,
              at::ScalarType type);

}  // namespace patina::kernels

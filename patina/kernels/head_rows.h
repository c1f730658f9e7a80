// The rows that attention reads and writes. Query heads that share a key head form one matrix,
// stored head after head.
#pragma once

#include <algorithm>

#include "patina/kernels/attention.h"

namespace patina::kernels {

/// Rows as a product reads them: at least 32, padded with zeros to a multiple of 32 numbers.
struct PaddedRows {
  const bf16* data = nullptr;
  int64_t stride = 0;
};

template <class T>
struct HeadRows {
  Strided<T> from;
  int64_t sample = 0, first_head = 0, heads = 1;
  int64_t rows = 0, size = 0;  // per head

  int64_t count() const { return heads * rows; }
  T* at(int64_t i) const { return from.at(sample, first_head + i / rows, i % rows); }

  /// Copies rows [first, first + count) to `to`, with row stride `stride`.
  void copy(int64_t first, int64_t count, bf16* to, int64_t stride) const {
    for (int64_t i = first; i < first + count; ++i, to += stride) std::copy_n(at(i), size, to);
  }

  /// Rows [first, first + 32): a pointer to them if they can be read in place, otherwise a copy in
  /// `room` [32, size rounded up], whose padding behind `size` must be zero.
  PaddedRows block(int64_t first, bf16* room) const {
    if (size % kTileK == 0 && first % rows + kBlock <= rows) return {at(first), from.row};
    const int64_t width = round_up(size, kTileK);
    copy(first, std::min(kBlock, count() - first), room, width);
    return {room, width};
  }
};

}  // namespace patina::kernels

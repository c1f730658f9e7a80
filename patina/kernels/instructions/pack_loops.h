// Packs matrices into tiles, sixteen numbers at a time. Each instruction set's source includes this
// after vectors.h, in the same place.
#pragma once

namespace {

inline bf16 packed(float x) {
  return to_bf16(x);
}
inline bf16 packed(bf16 x) {
  return x;
}

// Copies [outer, inner] numbers into a zeroed buffer with rows of `width`.
template <class From>
inline void copy_part(const From* from, int64_t outer_step, int64_t inner_step, int64_t outer,
                      int64_t inner, int64_t width, bf16* part) {
  std::fill_n(part, kTile, bf16{0});
  for (int64_t i = 0; i < outer; ++i, from += outer_step, part += width)
    if (inner_step == 1)
      for (int64_t j = 0; j < inner; ++j) part[j] = packed(from[j]);
    else
      for (int64_t j = 0; j < inner; ++j) part[j] = packed(from[j * inner_step]);
}

// Contiguous rows of W: pairs of neighbours form 32-bit words, whose rows and columns are
// exchanged.
inline void pack_rows(const bf16* from, int64_t row, bf16* tile) {
  Ints lines[16];
  for (int i = 0; i < 16; ++i) lines[i] = load<Ints>(from + i * row);
  transpose(lines);
  for (int i = 0; i < 16; ++i) store(lines[i], tile + i * kTileK);
}

// Contiguous columns of W: interleaves two of them.
inline void pack_columns(const bf16* from, int64_t column, bf16* tile) {
  for (int64_t pair = 0; pair < kTileK / 2; ++pair) {
    const Words even = load<Words>(from + 2 * pair * column);
    const Words odd = load<Words>(from + (2 * pair + 1) * column);
    store(interleaved(even, odd), tile + pair * kTileK);
  }
}

// Packs one tile: `rows` x `columns` of W, at most 16 x 32.
template <class From>
inline void pack_tile(const From* from, int64_t row, int64_t column, int64_t rows, int64_t columns,
                      bf16* tile) {
  alignas(64) bf16 part[kTile];
  if constexpr (std::is_same_v<From, bf16>) {
    const bool whole = rows == kTileN && columns == kTileK;
    if (whole && column == 1) return pack_rows(from, row, tile);
    if (whole && row == 1) return pack_columns(from, column, tile);
  }
  if (row == 1) {
    copy_part(from, column, row, columns, rows, kTileN, part);
    return pack_columns(part, kTileN, tile);
  }
  copy_part(from, row, column, rows, columns, kTileK, part);
  pack_rows(part, kTileK, tile);
}

template <class From>
void pack_matrix(const From* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles) {
  for (int64_t i = 0; i < round_up(n, kBlock); i += kTileN)
    for (int64_t j = 0; j < k; j += kTileK, tiles += kTile)
      if (i < n)
        pack_tile(from + i * row + j * column, row, column, std::min(n - i, kTileN),
                  std::min(k - j, kTileK), tiles);
      else
        std::fill_n(tiles, kTile, bf16{0});
}

// Interleaves `count` rows of k floats: [k][16] with row stride `to_stride`, zeros behind the last
// row.
inline void interleave(const float* from, int64_t stride, int64_t count, int64_t k, float* to,
                       int64_t to_stride) {
  const int64_t whole = k / kLanes * kLanes;
  for (int64_t j = 0; j < whole; j += kLanes) {
    Ints lines[kLanes];
    for (int i = 0; i < kLanes; ++i)
      lines[i] = i < count ? load<Ints>(from + i * stride + j) : Ints{};
    transpose(lines);
    for (int i = 0; i < kLanes; ++i) store(lines[i], to + (j + i) * to_stride);
  }
  for (int64_t j = whole; j < k; ++j)
    for (int i = 0; i < kLanes; ++i) to[j * to_stride + i] = i < count ? from[i * stride + j] : 0;
}

// Packs floats: for every k, 32 columns of Wᵀ side by side.
inline void pack_strips(const float* from, int64_t row, int64_t column, int64_t n, int64_t k,
                        float* tiles) {
  for (int64_t first = 0; first < n; first += kBlock, from += kBlock * row, tiles += kBlock * k) {
    const int64_t columns = std::min(kBlock, n - first);
    if (column == 1) {
      interleave(from, row, columns, k, tiles, kBlock);
      interleave(from + kLanes * row, row, columns - kLanes, k, tiles + kLanes, kBlock);
      continue;
    }
    for (int64_t j = 0; j < k; ++j) {
      float* to = tiles + j * kBlock;
      if (row == 1 && columns == kBlock) {
        std::memcpy(to, from + j * column, kBlock * sizeof(float));
        continue;
      }
      for (int64_t i = 0; i < columns; ++i) to[i] = from[i * row + j * column];
      std::fill(to + columns, to + kBlock, 0.0f);
    }
  }
}

// Unpacks a tile to Wᵀ [32 x 16]: separates the interleaved pairs.
inline void unpack_columns(const bf16* tile, bf16* to, int64_t stride) {
  for (int64_t pair = 0; pair < kTileK / 2; ++pair) {
    const Ints both = load<Ints>(tile + pair * kTileK);
    store(narrow(both), to + 2 * pair * stride);
    store(narrow(both >> 16), to + (2 * pair + 1) * stride);
  }
}

inline void unpack_transposed(const bf16* tiles, int64_t n, int64_t k, bf16* to, int64_t stride) {
  for (int64_t i = 0; i < round_up(n, kBlock); i += kTileN)
    for (int64_t j = 0; j < k; j += kTileK, tiles += kTile)
      unpack_columns(tiles, to + j * stride + i, stride);
}

}  // namespace

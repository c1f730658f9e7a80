// Matrix products in bf16 or fp32 with fp32 sums, in the layout that is fastest on the processor:
// one operand is packed into tiles once, the other is read row by row. Each result row depends on
// its input row only, not on the rest of the batch or the number of threads.
#pragma once

#include <cstdint>
#include <memory>

#include "patina/kernels/activation.h"
#include "patina/kernels/attention_steps.h"
#include "patina/kernels/bf16.h"
#include "patina/kernels/blocks.h"
#include "patina/kernels/rows.h"

namespace patina::kernels {

inline constexpr int64_t kTileN = 16, kTileK = 32, kTile = kTileN * kTileK;
inline constexpr int64_t kBlock = 32;  // rows and columns of a block of the product

/// Rows that a product reads are padded with zeros to a multiple of this.
template <class T>
inline constexpr int64_t kStep = sizeof(T) == sizeof(bf16) ? kTileK : 1;

inline int64_t round_up(int64_t n, int64_t to) {
  return (n + to - 1) / to * to;
}

/// Uninitialised memory for `count` numbers, aligned for vector instructions.
struct FreeAligned {
  void operator()(void* p) const;
};
template <class T>
using Aligned = std::unique_ptr<T[], FreeAligned>;
template <class T>
Aligned<T> aligned(int64_t count);  // T is float or bf16; throws std::bad_alloc

/// W [n,k] in tiles, padded with zeros. bf16: [n/16, even][k/32][16 pairs of k][16 n][2]; float:
/// [n/32][k][32 n].
template <class T>
int64_t tiles_size(int64_t n, int64_t k) {  // number of elements
  return round_up(n, kBlock) * round_up(k, kStep<T>);
}
/// Packs W, whose element (i, j) is from[i * row + j * column].
void pack(const float* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles);
void pack(const bf16* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles);
void pack(const float* from, int64_t row, int64_t column, int64_t n, int64_t k, float* tiles);

/// The numbers of `count` blocks of a type as floats, bit for bit as `dequantize` has them.
void unpack(BlockType type, const uint8_t* blocks, int64_t count, float* numbers);

/// C = act(A Wᵀ + bias) + add. T is bf16 or float.
template <class T>
struct Product {
  const T* a = nullptr;  // [m, k rounded up], zeros behind k
  int64_t a_stride = 0;  // row stride in elements, here and below
  int64_t a_step = 1;    // column stride in elements; 1 for bf16
  int64_t m = 0;
  const T* tiles = nullptr;  // W [n,k]
  int64_t n = 0, k = 0;
  const float* bias = nullptr;  // [n rounded up to 32], or null
  Activation activation = Activation::none;
  const float* add = nullptr;  // [m,n]
  int64_t add_stride = 0;
  T* before = nullptr;  // [m,n] out: input of the activation, kept for its derivative
  int64_t before_stride = 0;
  void* c = nullptr;    // [m,n]: float, or bf16 when `rounds` and T is bf16
  bool rounds = false;  // round the result to T
  int64_t c_stride = 0;
};

/// The fp32 kernels: products and row operations.
struct FloatKernels {
  void (*product)(const Product<float>& product);
  /// See the functions of the same names.
  void (*pack)(const float* from, int64_t row, int64_t column, int64_t n, int64_t k, float* tiles);
  Rows<float> rows;
  AttentionSteps<float> attention;
};

/// The bf16 row operations.
struct Bf16Kernels {
  /// See the functions of the same names.
  void (*pack)(const bf16* from, int64_t row, int64_t column, int64_t n, int64_t k, bf16* tiles);
  void (*pack_rounded)(const float* from, int64_t row, int64_t column, int64_t n, int64_t k,
                       bf16* tiles);
  /// Unpacks Wᵀ [k,n], both rounded up to 32, from the tiles of W [n,k].
  void (*unpack_transposed)(const bf16* tiles, int64_t n, int64_t k, bf16* to, int64_t stride);
  /// Transposes [32,32] in place.
  void (*transpose)(float* block);
  Rows<bf16> rows;
  AttentionSteps<bf16> attention;
};

/// The kernels of one instruction set. Sets share those that do not differ.
struct Instructions {
  const FloatKernels& floats;
  const Bf16Kernels& rounded;
  /// To be called once per thread before it multiplies in bf16.
  void (*begin)();
  /// sums [32,32], with row stride `sums_stride`, = A [32, 32 k_tiles] times two columns of tiles.
  void (*block)(const bf16* a, int64_t a_stride, const bf16* left, const bf16* right,
                int64_t k_tiles, float* sums, int64_t sums_stride);
  void (*product)(const Product<bf16>& product);

  template <class T>
  const Rows<T>& rows() const {
    if constexpr (sizeof(T) == sizeof(bf16))
      return rounded.rows;
    else
      return floats.rows;
  }
};

/// The best set that works on this processor: see isa().
const Instructions& instructions();

/// Computes the product on this thread.
inline void multiply(const Product<bf16>& product) {
  instructions().begin();
  instructions().product(product);
}
inline void multiply(const Product<float>& product) {
  instructions().floats.product(product);
}

void unpack_blocks_avx2(BlockType type, const uint8_t* blocks, int64_t count, float* numbers);
void unpack_blocks_avx512(BlockType type, const uint8_t* blocks, int64_t count, float* numbers);

extern const FloatKernels kPortableFloats, kAvx2Floats, kAvx512Floats;
extern const Bf16Kernels kPortableRounded, kAvx2Rounded, kAvx512Rounded;
extern const Instructions kPortable, kAvx2, kAvx512, kAvx512Bf16, kAmx;

}  // namespace patina::kernels

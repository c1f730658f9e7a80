// A frozen matrix in the form the processor multiplies fastest: bf16, in tiles. Packed once, used
// for every batch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

namespace patina::kernels {

using bf16 = uint16_t;  // the upper half of a float

/// To the nearest, ties to even; NaN stays NaN.
bf16 to_bf16(float x);
float to_float(bf16 x);
/// rows x columns fp32 -> bf16 rows of `stride` >= columns elements, the rest zero.
void round_rows(const float* from, int64_t rows, int64_t columns, bf16* to, int64_t stride);

/// What happens to a product before it is stored.
struct Epilogue {
  const float* bias = nullptr;  // [N]
  enum class Activation { none, gelu } activation = Activation::none;  // gelu: exact to bf16
};

/// W [N,K]. Sums are fp32.
class PackedMatrix {
 public:
  /// `weight` row by row; `transposed`: it is [K,N] (the backward of the same layer).
  PackedMatrix(const float* weight, int64_t n, int64_t k, bool transposed = false);

  int64_t n() const { return n_; }
  int64_t k() const { return k_; }
  /// Elements a row of A must have: K rounded up to whole tiles.
  int64_t padded_k() const { return k_tiles_ * 32; }

  /// C [M,N] = epilogue(A Wᵀ) for A [M, padded_k()] in bf16. `c` has rows of `stride` elements.
  void multiply(const bf16* a, int64_t m, float* c, int64_t stride, const Epilogue& e = {}) const;
  void multiply(const bf16* a, int64_t m, bf16* c, int64_t stride, const Epilogue& e = {}) const;

 private:
  template <class Out>
  void product(const bf16* a, int64_t m, Out* c, int64_t stride, const Epilogue& e) const;

  struct Free {
    void operator()(bf16* p) const;
  };
  int64_t n_, k_, n_tiles_, k_tiles_;
  // [N/16][K/32][16 pairs of k][16 n][2]: a tile is what one instruction multiplies by.
  std::unique_ptr<bf16[], Free> tiles_;
};

}  // namespace patina::kernels

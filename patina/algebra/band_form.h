// Reduces a symmetric matrix to a narrow band by Householder reflections: S = Q B Qᵀ. Then (S +
// λI)⁻¹ = Q (B + λI)⁻¹ Qᵀ is cheap for every λ. The reduction takes a third of the operations of an
// eigendecomposition, nearly all of them matrix products (Bischof, Lang, Sun, TOMS 2000).
#pragma once

#include <optional>
#include <vector>

#include "patina/tensor.h"

namespace patina {

class BandForm {
 public:
  /// Reads the lower triangle of `s` [n,n], n > 0, float or double, and computes in that type.
  explicit BandForm(const Tensor& s);

  Tensor into(const Tensor& b) const;    // Qᵀ b: [n,k] -> [n,k]
  Tensor across(const Tensor& c) const;  // c Q: [k,n] -> [k,n]
  /// (B + λI)⁻¹ b, b [n,k]; nothing if, after rounding, B + λI is not positive definite.
  std::optional<Tensor> solve(double shift, const Tensor& b) const;

 private:
  // A block of Householder reflections: I - V T Vᵀ on the last rows.
  struct Reflections {
    Tensor vectors;   // V [m,b]
    Tensor triangle;  // T [b,b], upper triangular
  };
  static Reflections annihilate(const Tensor& panel);

  std::vector<Reflections> reflections_;  // Q is their product
  std::vector<Tensor> diagonal_;          // B's blocks [b,b], the last one smaller
  std::vector<Tensor> below_;             // its blocks below the diagonal ones
};

}  // namespace patina

// A symmetric matrix reduced once to a narrow band by reflections, after which a solution with any
// shift costs next to nothing: S = Q B Qᵀ, so (S + λI)⁻¹ = Q (B + λI)⁻¹ Qᵀ. A third of the work of
// eigenvectors, and nearly all of it matrix products (Bischof, Lang, Sun, TOMS 2000).
#pragma once

#include <optional>
#include <vector>

#include "patina/tensor.h"

namespace patina {

class BandForm {
 public:
  /// Reads the lower triangle of `s` [n,n], n > 0, float or double, and computes in its type.
  explicit BandForm(const Tensor& s);

  Tensor into(const Tensor& b) const;    // Qᵀ b: [n,k] -> [n,k]
  Tensor across(const Tensor& c) const;  // c Q: [k,n] -> [k,n]
  /// (B + λI)⁻¹ b, b [n,k]; nothing where rounding has left B + λI not positive definite.
  std::optional<Tensor> solve(double shift, const Tensor& b) const;

 private:
  // I - V T Vᵀ on the last rows: a block of Householder reflections.
  struct Reflections {
    Tensor vectors;   // V [m,b]
    Tensor triangle;  // T [b,b], upper triangular
  };
  static Reflections annihilate(const Tensor& panel);

  std::vector<Reflections> reflections_;  // Q is their product
  std::vector<Tensor> diagonal_;          // B's blocks [b,b], the last one smaller
  std::vector<Tensor> below_;             // its blocks under the diagonal ones
};

}  // namespace patina

// Gradients as vectors: methods that compare and project them.
#pragma once

#include <vector>

#include "patina/optim/optimizer.h"

namespace patina {

/// All tensors of some groups, in their order.
std::vector<Tensor> tensors_of(const std::vector<ParamGroup>& groups);

/// Gradients side by side, zeros where there is none: [N].
Tensor flat_gradients(const std::vector<Tensor>& tensors);
/// And back into the tensors' gradients.
void set_gradients(const std::vector<Tensor>& tensors, const Tensor& flat);
/// Gradients of a loss, [N]; those the tensors hold stay as they are.
Tensor gradients_of(const Tensor& loss, const std::vector<Tensor>& tensors);

/// The v of least ½ vᵀPv + qᵀv with every v_i >= margin, for a positive definite P [n,n] and q [n]
/// in double: coordinate descent until the conditions of optimality hold to 1e-10.
Tensor solve_bounded(const Tensor& p, const Tensor& q, double margin);

/// The gradient nearest to g [N] that points along none of the rows of `past` [T,N] backwards
/// (Lopez-Paz and Ranzato, NeurIPS 2017, equations 8 to 11): g + pastᵀv, where v solves the dual
/// with v >= margin and 1e-3 on the diagonal. g itself where no row disagrees.
Tensor project_gem(const Tensor& g, const Tensor& past, double margin);

/// g without its part against `past` [N]; g itself where they agree (Chaudhry et al., ICLR 2019,
/// equation 11).
Tensor project_agem(const Tensor& g, const Tensor& past);

}  // namespace patina

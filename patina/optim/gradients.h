// Gradients as flat vectors, for methods that compare or project them.
#pragma once

#include <vector>

#include "patina/optim/optimizer.h"

namespace patina {

/// All tensors of some groups, in order.
std::vector<Tensor> tensors_of(const std::vector<ParamGroup>& groups);

/// All gradients concatenated, with zeros for undefined ones: [N].
Tensor flat_gradients(const std::vector<Tensor>& tensors);
/// The reverse: writes [N] to the tensors' gradients.
void set_gradients(const std::vector<Tensor>& tensors, const Tensor& flat);
/// Gradients of a loss, [N]; the tensors' own gradients do not change.
Tensor gradients_of(const Tensor& loss, const std::vector<Tensor>& tensors);

/// The minimiser v of ½ vᵀPv + qᵀv subject to v_i >= margin, for a positive definite P [n,n] and q
/// [n] in double, by active sets. Throws Error(model) unless the optimality conditions hold to
/// 1e-8.
Tensor solve_bounded(const Tensor& p, const Tensor& q, double margin);

/// The vector nearest to g [N] whose product with no row of `past` [T,N] is negative (Lopez-Paz and
/// Ranzato, NeurIPS 2017, equations 8 to 11): g + pastᵀv, where v solves the dual problem with v >=
/// margin and 1e-3 added to the diagonal. Returns g if it has no negative product.
Tensor project_gem(const Tensor& g, const Tensor& past, double margin);

/// g without its component along `past` [N] if their product is negative, otherwise g (Chaudhry et
/// al., ICLR 2019, equation 11).
Tensor project_agem(const Tensor& g, const Tensor& past);

}  // namespace patina

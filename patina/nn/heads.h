// Heads: map features to scores, and grow with the classes.
#pragma once

#include "patina/algebra/cosine.h"
#include "patina/nn/layers.h"

namespace patina::nn {

/// `old`, if defined, with `rows` appended: a new leaf tensor that requires gradients.
Tensor grown(const Tensor& old, const Tensor& rows);

/// Linear scores over the classes seen: f Wᵀ + b.  weight [K,D], bias [K].
struct LinearHead {
  Tensor weight, bias;

  /// Adds rows for `classes` - K new classes, drawn from U(-1/sqrt(D), 1/sqrt(D)), with zero bias.
  /// Old rows are kept.
  void grow(int64_t classes, int64_t width, Random& random, const Place& place = {});
  /// Pads the weights with zero columns up to `width` >= D, so that wider features whose first D
  /// numbers are the old ones give the old scores.
  void widen(int64_t width);
  Tensor operator()(const Tensor& features) const;  // [B,D] -> [B,K]
  int64_t classes() const { return weight.defined() ? weight.size(0) : 0; }
  void walk(Walk& w);

  template <class Archive>
  void state(Archive& a) {
    a("weight", weight);
    a("bias", bias);
  }
};

/// Cosine scores over the classes seen: σ cos(f, w).  weight [K,D], scale σ [1].
struct CosineHead {
  Tensor weight, scale;

  /// Adds rows for `classes` - K new classes, drawn from U(-1/sqrt(D), 1/sqrt(D)). Old rows are
  /// kept; σ starts at 1 and requires gradients.
  void grow(int64_t classes, int64_t width, Random& random, const Place& place = {});
  Tensor operator()(const Tensor& features) const;  // [B,D] -> [B,K]
  int64_t classes() const { return weight.defined() ? weight.size(0) : 0; }
  void walk(Walk& w);

  template <class Archive>
  void state(Archive& a) {
    a("weight", weight);
    a("scale", scale);
  }
};

/// One linear head per task, in tensors of its own, so that training one changes no other row, not
/// even by weight decay or momentum. Their scores are concatenated. weights[t] [K_t,D], biases[t]
/// [K_t] or undefined.
struct TaskHeads {
  std::vector<Tensor> weights, biases;

  /// Adds a head for `classes` more classes that requires gradients. Rows are drawn from N(0,
  /// deviation²), truncated at two deviations, or, if `deviation` is 0, from U(-1/sqrt(D),
  /// 1/sqrt(D)); the bias is zero.
  void add(int64_t classes, int64_t width, Random& random, const Place& place, double deviation = 0,
           bool bias = true);
  Tensor operator()(const Tensor& features) const;            // linear scores: [B,D] -> [B,K]
  Tensor cosines(const Tensor& features) const;               // cosine scores: [B,D] -> [B,K]
  Tensor of_task(size_t task, const Tensor& features) const;  // linear scores: [B,D] -> [B,K_task]
  /// The newest task's head; shares its tensors.
  LinearHead newest() const { return {weights.back(), biases.back()}; }
  size_t tasks() const { return weights.size(); }
  std::vector<int64_t> sizes() const;  // number of classes per task
  int64_t classes() const;             // number of classes in all
  int64_t known() const;               // number of classes without the newest task's
  void freeze(bool frozen = true);
  std::vector<Tensor> tensors() const;                // all defined tensors
  std::vector<Tensor> tensors_of(size_t task) const;  // the defined tensors of one task
  /// A deep copy; tensors require gradients as the originals do.
  TaskHeads copy() const;
  void walk(Walk& w);

  template <class Archive>
  void state(Archive& a) {
    a("weights", weights);
    a("biases", biases);
  }
};

}  // namespace patina::nn

// Heads: what turns features into scores, and grows with the classes.
#pragma once

#include "patina/algebra/cosine.h"
#include "patina/nn/layers.h"

namespace patina::nn {

/// `old`, where there is one, with `rows` under it: a tensor of its own that takes gradients.
Tensor grown(const Tensor& old, const Tensor& rows);

/// Linear scores over the classes seen: f Wᵀ + b.  weight [K,D], bias [K].
struct LinearHead {
  Tensor weight, bias;

  /// Adds rows for `classes` - K new classes: U(-1/sqrt(D), 1/sqrt(D)), zero bias. Old rows are
  /// kept.
  void grow(int64_t classes, int64_t width, Random& random);
  /// Goes on with features of `width` >= D, of which the first D are those it read: its rows know
  /// nothing of the others.
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

  /// Adds rows for `classes` - K new classes: U(-1/sqrt(D), 1/sqrt(D)). Old rows are kept; σ begins
  /// at 1 and takes gradients.
  void grow(int64_t classes, int64_t width, Random& random);
  Tensor operator()(const Tensor& features) const;  // [B,D] -> [B,K]
  int64_t classes() const { return weight.defined() ? weight.size(0) : 0; }
  void walk(Walk& w);

  template <class Archive>
  void state(Archive& a) {
    a("weight", weight);
    a("scale", scale);
  }
};

/// One head a task, so that training one leaves the others' rows alone, weight decay and momentum
/// included. Their scores stand side by side.  weights[t] [K_t,D], biases[t] [K_t] or undefined.
struct TaskHeads {
  std::vector<Tensor> weights, biases;

  /// A head for `classes` more classes that takes gradients, with rows from N(0, deviation²) cut at
  /// two deviations, or for a deviation of 0 from U(-1/sqrt(D), 1/sqrt(D)); the bias is zero.
  void add(int64_t classes, int64_t width, Random& random, double deviation = 0, bool bias = true);
  Tensor operator()(const Tensor& features) const;            // linear: [B,D] -> [B,K]
  Tensor cosines(const Tensor& features) const;               // [B,D] -> [B,K]
  Tensor of_task(size_t task, const Tensor& features) const;  // linear: [B,D] -> [B,K_task]
  /// The newest task's, which shares its tensors.
  LinearHead newest() const { return {weights.back(), biases.back()}; }
  size_t tasks() const { return weights.size(); }
  std::vector<int64_t> sizes() const;  // classes of each
  int64_t classes() const;             // of all
  int64_t known() const;               // of all but the newest
  void freeze(bool frozen = true);
  std::vector<Tensor> tensors() const;                // all that are defined
  std::vector<Tensor> tensors_of(size_t task) const;  // the same of one task
  /// With tensors of its own, as frozen or not as these.
  TaskHeads copy() const;
  void walk(Walk& w);

  template <class Archive>
  void state(Archive& a) {
    a("weights", weights);
    a("biases", biases);
  }
};

}  // namespace patina::nn

#include "patina/nn/heads.h"

#include "patina/ops.h"

namespace patina::nn {

namespace {

Tensor fresh_rows(int64_t classes, int64_t width, Random& random, const Place& place) {
  Tensor rows = at::empty({classes, width}, place.options());
  init_kaiming(rows, random);
  return rows;
}

}  // namespace

Tensor grown(const Tensor& old, const Tensor& rows) {
  return (old.defined() ? at::cat({old.detach(), rows}) : rows).requires_grad_(true);
}

void LinearHead::grow(int64_t classes, int64_t width, Random& random, const Place& place) {
  const int64_t more = classes - this->classes();
  if (more <= 0) return;
  weight = grown(weight, fresh_rows(more, width, random, place));
  bias = grown(bias, at::zeros({more}, place.options()));
}

void LinearHead::widen(int64_t width) {
  if (!weight.defined()) return;
  const Tensor more = at::zeros({classes(), width - weight.size(1)}, weight.options());
  weight = at::cat({weight.detach(), more}, 1).requires_grad_(true);
}

Tensor LinearHead::operator()(const Tensor& features) const {
  return at::linear(features, weight, bias);
}

void LinearHead::walk(Walk& w) {
  w("weight", weight);
  w("bias", bias);
}

void CosineHead::grow(int64_t classes, int64_t width, Random& random, const Place& place) {
  const int64_t more = classes - this->classes();
  if (more <= 0) return;
  weight = grown(weight, fresh_rows(more, width, random, place));
  if (!scale.defined()) scale = at::ones({1}, place.options()).requires_grad_(true);
}

Tensor CosineHead::operator()(const Tensor& features) const {
  return scale * cosine_scores(features, weight);
}

void CosineHead::walk(Walk& w) {
  w("weight", weight);
  w("scale", scale);
}

void TaskHeads::add(int64_t classes, int64_t width, Random& random, const Place& place,
                    double deviation, bool bias) {
  Tensor rows = at::empty({classes, width}, place.options());
  if (deviation > 0)
    init_truncated_normal(rows, random, deviation);
  else
    init_kaiming(rows, random);
  weights.push_back(rows.requires_grad_(true));
  biases.push_back(bias ? at::zeros({classes}, place.options()).requires_grad_(true) : Tensor());
}

Tensor TaskHeads::operator()(const Tensor& features) const {
  std::vector<Tensor> scores;
  for (size_t t = 0; t < tasks(); ++t) scores.push_back(of_task(t, features));
  return at::cat(scores, 1);
}

Tensor TaskHeads::cosines(const Tensor& features) const {
  return cosine_scores(features, at::cat(weights));
}

Tensor TaskHeads::of_task(size_t task, const Tensor& features) const {
  return at::linear(features, weights.at(task), biases.at(task));
}

std::vector<int64_t> TaskHeads::sizes() const {
  std::vector<int64_t> sizes;
  for (const auto& weight : weights) sizes.push_back(weight.size(0));
  return sizes;
}

int64_t TaskHeads::classes() const {
  int64_t total = 0;
  for (const int64_t size : sizes()) total += size;
  return total;
}

int64_t TaskHeads::known() const {
  return classes() - weights.back().size(0);
}

void TaskHeads::freeze(bool frozen) {
  for (auto& tensor : tensors()) tensor.requires_grad_(!frozen);
}

std::vector<Tensor> TaskHeads::tensors() const {
  std::vector<Tensor> all;
  for (size_t t = 0; t < tasks(); ++t)
    for (const auto& tensor : tensors_of(t)) all.push_back(tensor);
  return all;
}

std::vector<Tensor> TaskHeads::tensors_of(size_t task) const {
  if (!biases.at(task).defined()) return {weights.at(task)};
  return {weights.at(task), biases.at(task)};
}

void TaskHeads::walk(Walk& w) {
  w("weights", weights);
  w("biases", biases);
}

TaskHeads TaskHeads::copy() const {
  TaskHeads other = *this;
  for (auto* list : {&other.weights, &other.biases})
    for (auto& tensor : *list)
      if (tensor.defined()) tensor = tensor.detach().clone().requires_grad_(tensor.requires_grad());
  return other;
}

}  // namespace patina::nn

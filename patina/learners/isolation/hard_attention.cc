#include "patina/learners/isolation/hard_attention.h"

#include "patina/nn/layers.h"
#include "patina/ops.h"

namespace patina {

HardAttention::HardAttention(std::vector<int64_t> units, double steepness,
                             const at::TensorOptions& options)
    : steepness_(steepness) {
  for (const int64_t count : units) used_.push_back(at::zeros({count}, options));
}

void HardAttention::begin_task(Random random) {
  for (auto& embedding : embeddings_) embedding.requires_grad_(false);
  for (const auto& used : used_) {
    Tensor embedding = at::empty({used.size(0)}, used.options());
    nn::init_normal(embedding, random, 0, 1);
    embeddings_.push_back(embedding.requires_grad_(true));
  }
}

void HardAttention::end_task() {
  const auto masks = of_task(tasks() - 1);
  for (size_t l = 0; l < used_.size(); ++l) used_[l] = at::maximum(used_[l], masks[l]);
}

double HardAttention::scale(const Step& step) const {
  const double part = step.steps > 1 ? double(step.step) / double(step.steps - 1) : 1;
  return 1 / steepness_ + (steepness_ - 1 / steepness_) * part;
}

std::vector<Tensor> HardAttention::training(double scale) const {
  std::vector<Tensor> masks;
  for (size_t l = 0; l < used_.size(); ++l) masks.push_back(at::sigmoid(newest(l) * scale));
  return masks;
}

std::vector<Tensor> HardAttention::of_task(int64_t task) const {
  std::vector<Tensor> masks;
  for (size_t l = 0; l < used_.size(); ++l)
    masks.push_back(
        at::sigmoid(embeddings_[size_t(task) * used_.size() + l].detach() * steepness_));
  return masks;
}

Tensor HardAttention::taken(const std::vector<Tensor>& masks) const {
  Tensor more, room;
  for (size_t l = 0; l < used_.size(); ++l) {
    const Tensor free = 1 - used_[l], taken = (masks[l] * free).sum();
    more = l == 0 ? taken : more + taken;
    room = l == 0 ? free.sum() : room + free.sum();
  }
  return more / room.clamp_min(1);
}

Tensor HardAttention::freedom(size_t out, size_t in) const {
  return 1 - used_[out].unsqueeze(1).minimum(used_[in].unsqueeze(0));
}

Tensor HardAttention::freedom_of_rows(size_t out, int64_t dimensions) const {
  const Tensor free = 1 - used_[out];
  return dimensions == 1 ? free : free.unsqueeze(1);
}

void HardAttention::compensate(const Step& step) {
  constexpr double kLargest = 50;
  const double s = scale(step);
  for (size_t l = 0; l < used_.size(); ++l) {
    if (!newest(l).grad().defined()) continue;
    const Tensor e = newest(l).detach();
    const Tensor lost = (at::clamp(e * s, -kLargest, kLargest).cosh() + 1) / (e.cosh() + 1);
    newest(l).mutable_grad().mul_(lost * (steepness_ / s));
  }
}

void HardAttention::clamp() {
  NoGrad no_grad;
  constexpr double kLargest = 6;
  for (size_t l = 0; l < used_.size(); ++l) Tensor(newest(l)).clamp_(-kLargest, kLargest);
}

std::vector<Tensor> HardAttention::trained() const {
  std::vector<Tensor> trained;
  for (size_t l = 0; l < used_.size(); ++l) trained.push_back(newest(l));
  return trained;
}

void HardAttention::state(Archive& a) {
  a("used", used_);
  a("embeddings", embeddings_);
  if (a.loading())
    for (size_t l = 0; l < used_.size() && !embeddings_.empty(); ++l)
      Tensor(newest(l)).requires_grad_(true);
}

}  // namespace patina

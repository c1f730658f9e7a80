#include "patina/learners/representation/task_adapters.h"

#include "patina/ops.h"

namespace patina {

void TaskAdapters::add(Random random, bool like_last) {
  freeze();
  auto fresh = make_adapter(options_, backbone_.tower(), random);
  if (like_last && !adapters_.empty()) assign(nn::tensors(*fresh), weights_of(last()));
  adapters_.push_back(std::move(fresh));
}

void TaskAdapters::freeze() {
  for (const auto& adapter : adapters_) nn::freeze(*adapter);
}

std::vector<Weights> TaskAdapters::weights(size_t count) const {
  std::vector<Weights> all;
  for (size_t task = 0; task < count; ++task) all.push_back(weights_of((*this)[task]));
  return all;
}

Tensor TaskAdapters::features(const Input& input, size_t task) const {
  return backbone_.features(input, {&(*this)[task]});
}

FeatureSet TaskAdapters::features(const Dataset& data, size_t task, Trainer& trainer) const {
  return trainer.features(backbone_, data, {&(*this)[task]});
}

Tensor TaskAdapters::features(const Input& input, const Tensor& tasks) const {
  Tensor all = at::empty({input.size(), backbone_.width()}, backbone_.place().options());
  for (size_t task = 0; task < size(); ++task) {
    const Tensor rows = (tasks == int64_t(task)).nonzero().squeeze(1);
    if (rows.numel() > 0) all.index_copy_(0, rows, features(input.at(rows), task));
  }
  return all;
}

void TaskAdapters::state(Archive& a) {
  int64_t count = int64_t(size());
  a("count", count);
  if (a.loading()) adapters_.clear();
  for (int64_t task = 0; task < count; ++task) {
    if (a.loading()) add(Random());
    a(std::to_string(task), *adapters_[size_t(task)]);
  }
}

Tensor refined(const Tensor& first, const Tensor& task_of, int64_t rounds,
               const std::function<Tensor(const Tensor& rows, const Tensor& tasks)>& score) {
  Tensor tasks = first, scores = score(at::arange(first.size(0), first.options()), first);
  for (int64_t round = 1; round < rounds; ++round) {
    const Tensor wanted = task_of.index_select(0, scores.argmax(1));
    const Tensor moved = (wanted != tasks).nonzero().squeeze(1);
    if (moved.numel() == 0) break;
    scores.index_copy_(0, moved, score(moved, wanted.index_select(0, moved)));
    tasks = wanted;
  }
  return scores;
}

Tensor least_entropy(const std::vector<Tensor>& scores) {
  const Tensor all = at::stack(scores);  // [T,B,K]
  const Tensor log_p = at::log_softmax(all, -1);
  const Tensor best = (log_p.exp() * log_p).sum(-1).argmax(0);  // [B]: lowest entropy -Σ p log p
  const auto index = best.unsqueeze(0).unsqueeze(2).expand({1, -1, all.size(2)});
  return all.gather(0, index).squeeze(0);
}

}  // namespace patina

#include "patina/learners/instruction/lora_per_task.h"

#include <fmt/format.h>

#include "patina/learn/adapted.h"
#include "patina/nn/merging.h"

namespace patina {

void LoraPerTask::keep() {
  earlier_.push_back(nn::copy_of(*lora()));
  nn::freeze(*earlier_.back());
}

void LoraPerTask::freeze_directions() {
  for (auto& item : nn::tensors(*lora()))
    if (item.name.ends_with(".a")) item.tensor.requires_grad_(false);
}

void LoraPerTask::begin_task(const Task& task, Trainer&) {
  if (task.index == 0) return;
  keep();
  Random random = seeds()("lora", uint64_t(task.index));
  const auto fresh = make_lora(options_, backbone().tower(), random);
  assign(nn::tensors(*lora()), weights_of(*fresh));
}

std::vector<const adapt::Lora*> LoraPerTask::loras() const {
  std::vector<const adapt::Lora*> all;
  for (const auto& task : earlier_) all.push_back(task.get());
  all.push_back(lora());
  return all;
}

void LoraPerTask::state(Archive& a) {
  AnswerLearner::state(a);
  int64_t tasks = int64_t(earlier_.size());
  a("tasks", tasks);
  while (int64_t(earlier_.size()) < tasks) keep();
  for (size_t i = 0; i < earlier_.size(); ++i) a(fmt::format("task_{}", i), *earlier_[i]);
}

nn::Adaptations SummedLoras::adaptations(const Input& input) const {
  nn::Adaptations all = LoraPerTask::adaptations(input);
  for (const auto& task : earlier()) all.add(task.get());
  return all;
}

std::optional<AsNetwork> SummedLoras::as_network() const {
  const std::shared_ptr<const adapt::Lora> sum = sum_of(loras(), backbone().tower());
  return AsNetwork{.lora = sum.get(), .made = sum};
}

}  // namespace patina

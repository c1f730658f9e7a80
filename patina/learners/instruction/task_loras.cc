#include "patina/learners/instruction/task_loras.h"

#include "patina/learn/adapted.h"

namespace patina {

TaskLoraLearner::TaskLoraLearner(Setup setup, const adapt::LoraOptions& options)
    : AnswerLearner(setup, {.lora = options}), options_(options) {}

void TaskLoraLearner::keep_present() {
  earlier_.push_back(nn::copy_of(*lora()));
  nn::freeze(*earlier_.back());
}

void TaskLoraLearner::begin_task(const Task& task, Trainer&) {
  if (task.index == 0) return;
  keep_present();
  Random random = seeds()("lora", uint64_t(task.index));
  const auto fresh = make_lora(options_, backbone().tower(), random);
  NoGrad no_grad;
  const auto into = nn::tensors(*lora()), from = nn::tensors(*fresh);
  for (size_t i = 0; i < into.size(); ++i) Tensor(into[i].tensor).copy_(from[i].tensor);
}

std::vector<const adapt::Lora*> TaskLoraLearner::loras() const {
  std::vector<const adapt::Lora*> all;
  for (const auto& task : earlier_) all.push_back(task.get());
  all.push_back(lora());
  return all;
}

void TaskLoraLearner::state(Archive& a) {
  AnswerLearner::state(a);
  int64_t tasks = int64_t(earlier_.size());
  a("tasks", tasks);
  while (int64_t(earlier_.size()) < tasks) keep_present();
  for (size_t i = 0; i < earlier_.size(); ++i) a(fmt::format("task_{}", i), *earlier_[i]);
}

}  // namespace patina

#include "patina/run/costs.h"

namespace patina {

void Times::state(Archive& a) {
  a("total", total);
  a("load", load);
  a("train", train);
  a("evaluate", evaluate);
  a("checkpoint", checkpoint);
  a("task_train", task_train);
  a("task_evaluate", task_evaluate);
}

void Costs::loaded() {
  times.load += part_.lap();
  flops_ = flops();
}

void Costs::trained() {
  const double seconds = part_.lap();
  times.train += seconds;
  task_seconds_ += seconds;
  train_flops += flops_lap();
}

double Costs::evaluated() {
  const double seconds = part_.lap();
  times.evaluate += seconds;
  evaluate_flops += flops_lap();
  return seconds;
}

void Costs::saved() {
  times.checkpoint += part_.lap();
}

void Costs::end_task(double seconds) {
  times.task_train.push_back(std::exchange(task_seconds_, 0));
  times.task_evaluate.push_back(seconds);
}

Flops Costs::flops_lap() {
  const Flops now = flops();
  return now - std::exchange(flops_, now);
}

void Costs::count_stored(const Archive& a, int tasks) {
  int64_t bytes = 0;
  stored = 0;
  for (const auto& [key, tensor] : a.tensors()) {
    if (!key.starts_with("learner.")) continue;
    stored += tensor.numel();
    bytes += tensor.nbytes();
  }
  stored_bytes.resize(size_t(tasks), bytes);
}

void Costs::state(Archive& a) {
  a("times", times);
  a("task_seconds", task_seconds_);
  a("train_flops", train_flops);
  a("evaluate_flops", evaluate_flops);
  a("stored", stored);
  a("stored_bytes", stored_bytes);
}

}  // namespace patina

#include "patina/learn/network_learner.h"

#include <map>

#include <limits>

#include "patina/base/error.h"
#include "patina/nn/losses.h"
#include "patina/ops.h"

namespace patina {

NetworkLearner::NetworkLearner(Setup setup)
    : backbone_(setup.backbone), seeds_(setup.seeds), grant_(setup.grant) {
  nn::freeze(backbone_, false);
}

void NetworkLearner::begin_task(const Task& task, Trainer& trainer) {
  Learner::begin_task(task, trainer);
  tasks_.add(task);
}

void NetworkLearner::begin_classes(int64_t fresh) {
  Random random = seeds_("head", uint64_t(head_.classes()));
  head_.grow(head_.classes() + fresh, backbone_.width(), random, backbone_.place());
}

Tensor NetworkLearner::competing(const Tensor& outputs, const Tensor& target) const {
  if (!grant_.task_id_at_test) return outputs;
  const Tensor task_of = on(target.device(), tasks_.task_of());
  const Tensor own = task_of.index_select(0, target).unsqueeze(1) == task_of.unsqueeze(0);
  return outputs.masked_fill(~own, -std::numeric_limits<double>::infinity());
}

Tensor NetworkLearner::task_loss(const Tensor& outputs, const Tensor& target) const {
  return nn::cross_entropy(competing(outputs, target), target);
}

Tensor NetworkLearner::loss(const Batch& batch, const Step&) {
  return task_loss(outputs(batch.input), batch.target);
}

Tensor NetworkLearner::scores(const Question& asked) const {
  NoGrad no_grad;
  return outputs(asked.input);
}

Tensor by_task(const Question& asked,
               const std::function<Tensor(int64_t task, const Input& input)>& scored) {
  PATINA_CHECK(asked.task.defined(), "the task of a sample is asked for where it is not told");
  std::map<int64_t, std::vector<int64_t>> rows_of;
  const auto tasks = items_of(asked.task);
  for (size_t i = 0; i < tasks.size(); ++i) rows_of[tasks[i]].push_back(int64_t(i));
  if (rows_of.size() == 1) return scored(tasks[0], asked.input);
  std::vector<Tensor> rows, scores;
  for (const auto& [task, of_task] : rows_of) {
    rows.push_back(tensor_of(of_task));
    scores.push_back(scored(task, asked.input.at(rows.back())));
  }
  const Tensor sorted = at::cat(scores);
  return at::empty_like(sorted).index_copy_(0, on(sorted.device(), at::cat(rows)), sorted);
}

std::vector<ParamGroup> NetworkLearner::trainable() {
  return {trainable_group(backbone_, head_)};
}

std::vector<nn::NamedTensor> NetworkLearner::learned() {
  auto all = nn::trainable(backbone_);
  for (auto& item : nn::trainable(head_)) all.push_back(item);
  return all;
}

void NetworkLearner::state(Archive& a) {
  a("backbone", backbone_);
  a("head", head_);
  a("tasks", tasks_);
}

}  // namespace patina

#include "patina/learn/network/network_learner.h"

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
  if (grant_.task_id_at_test) task_of_.resize(task.seen.size(), task.index);
}

void NetworkLearner::begin_classes(int64_t fresh) {
  Random random = seeds_("head", uint64_t(head_.classes()));
  head_.grow(head_.classes() + fresh, backbone_.width(), random);
}

Tensor NetworkLearner::competing(const Tensor& outputs, const Tensor& target) const {
  if (task_of_.empty()) return outputs;
  const Tensor task_of = tensor_of(task_of_);
  const Tensor own = task_of.index_select(0, target).unsqueeze(1) == task_of.unsqueeze(0);
  return outputs.masked_fill(~own, -std::numeric_limits<double>::infinity());
}

Tensor NetworkLearner::task_loss(const Tensor& outputs, const Tensor& target) const {
  return nn::cross_entropy(competing(outputs, target), target);
}

Tensor NetworkLearner::loss(const Batch& batch) {
  return task_loss(outputs(batch.input), batch.target);
}

Tensor NetworkLearner::scores(const Batch& batch) {
  NoGrad no_grad;
  return outputs(batch.input);
}

Tensor by_task(const Batch& batch,
               const std::function<Tensor(int64_t task, const Input& input)>& scored) {
  PATINA_CHECK(batch.task.defined(), "the task of a sample is asked for where it is not told");
  const int64_t first = batch.task[0].item<int64_t>();
  if ((batch.task == first).all().item<bool>()) return scored(first, batch.input);
  std::vector<Tensor> rows;
  for (int64_t i = 0; i < batch.size(); ++i)
    rows.push_back(scored(batch.task[i].item<int64_t>(), batch.input.slice(i, i + 1)));
  return at::cat(rows);
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
  a("task_of", task_of_);
}

}  // namespace patina

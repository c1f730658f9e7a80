#include "patina/run/evaluation.h"

#include "patina/base/error.h"
#include "patina/checkpoint/load.h"
#include "patina/ops.h"

namespace patina {

Evaluation::Evaluation(const Scenario& scenario)
    : scenario_(scenario), matrix_(scenario.tasks()), top5_(scenario.tasks()) {
  for (int task = 0; task < scenario.tasks(); ++task) {
    matrix_.samples.push_back(scenario.test(task).size());
    top5_.samples.push_back(scenario.test(task).size());
  }
}

void Evaluation::measure(Learner& learner, Trainer& trainer, int after) {
  PATINA_CHECK(after == rows_, "row {} measured after row {}", after, rows_ - 1);
  NoGrad no_grad;
  std::vector<Tensor> predicted, in_top5;
  for (int task = 0; task < scenario_.tasks(); ++task) {
    const Dataset& test = scenario_.test(task);
    predicted.push_back(at::full({test.size()}, -1, at::kLong));
    in_top5.push_back(at::zeros({test.size()}, at::kByte));
    if (task >= after) continue;
    const Tensor classes = competing(task, after);
    trainer.each_batch(test, fmt::format("after task {}: test {}", after, task + 1),
                       [&](const Batch& batch) {
                         const Tensor scores = learner.scores(batch).index_select(1, classes);
                         const int64_t best = std::min<int64_t>(5, scores.size(1));
                         const Tensor among = std::get<1>(at::topk(scores, best, -1));  // [B,5]
                         const Tensor top = classes.index_select(0, among.flatten()).view_as(among);
                         predicted.back().index_copy_(0, batch.row, top.select(1, 0));
                         in_top5.back().index_copy_(
                             0, batch.row, (top == batch.target.unsqueeze(1)).any(1).to(at::kByte));
                       });
  }
  predicted_.push_back(at::cat(predicted));
  in_top5_.push_back(at::cat(in_top5));
  ++rows_;
  fill();
}

// The classes that a test sample of `task` may be of: all seen, or, where its task is told, that
// task's.
Tensor Evaluation::competing(int task, int after) const {
  if (scenario_.grant().task_id_at_test) return tensor_of(scenario_.task_classes(task));
  int64_t seen = 0;
  for (int earlier = 0; earlier < after; ++earlier)
    seen += int64_t(scenario_.task_classes(earlier).size());
  return at::arange(seen);
}

void Evaluation::fill() {
  for (int after = 0; after < rows_; ++after) {
    int64_t first = 0;
    for (int task = 0; task < scenario_.tasks(); ++task) {
      const Dataset& test = scenario_.test(task);
      const int64_t last = first + test.size();
      const Tensor targets = tensor_of(test.targets());
      const auto part = [&](const Tensor& hits) {
        return Score(hits.sum().item<double>() / double(test.size()));
      };
      const auto row = size_t(after);
      matrix_.set(after, task, part(predicted_[row].slice(0, first, last) == targets));
      top5_.set(after, task, part(in_top5_[row].slice(0, first, last)));
      first = last;
    }
  }
}

Score Evaluation::accuracy_after(int after) const {
  if (after >= rows_) return std::nullopt;
  double right = 0, all = 0;
  for (int task = 0; task < after; ++task) {
    const double samples = double(matrix_.samples[size_t(task)]);
    right += *matrix_.at(after, task) * samples;
    all += samples;
  }
  return right / all;
}

void Evaluation::state(Archive& a) {
  a("rows", rows_);
  a("predicted", predicted_);
  a("in_top5", in_top5_);
  if (a.loading()) fill();
}

void Evaluation::write_predictions(const fs::path& path) const {
  std::vector<Tensor> targets;
  for (int task = 0; task < scenario_.tasks(); ++task)
    targets.push_back(tensor_of(scenario_.test(task).targets()));
  const Tensor all = at::cat(targets);
  std::map<std::string, StoredTensor> stored = {{"target", to_stored(all)}};
  for (int after = 0; after < rows_; ++after)
    stored[fmt::format("after_task_{}", after)] = to_stored(predicted_[size_t(after)]);
  write_safetensors(path, stored);
}

}  // namespace patina

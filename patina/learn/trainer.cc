#include "patina/learn/trainer.h"

#include <cmath>

#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/data/order.h"
#include "patina/learn/learner.h"
#include "patina/ops.h"

namespace patina {

void TrainingOptions::bind(Fields& f) {
  f("epochs", epochs, "Passes over each task's samples.", at_least(1));
  f("batch_size", batch_size, "Samples a step.", at_least(1));
  optimizer.bind(f);
}

Trainer::Trainer(TrainingOptions options, const Feed& train, const Feed& test, ThreadPool& pool,
                 Seeds seeds, std::function<void()> between_steps)
    : options_(std::move(options)),
      train_(train),
      test_(test),
      pool_(pool),
      seeds_(seeds),
      between_steps_(std::move(between_steps)) {}

Trainer::~Trainer() = default;

void Trainer::epochs(Learner& learner, const Task& task, int64_t epochs) {
  const Dataset& data = *task.train;
  optimizer_ = std::make_unique<Optimizer>(options_.optimizer, learner.trainable());
  if (!restored_.empty()) optimizer_->set_state(std::exchange(restored_, {}));
  const Seeds task_seeds(seeds_("task", uint64_t(task.index)).bits());
  Progress progress(fmt::format("task {}: training", task.index + 1), epochs * data.size(),
                    train_.unit());
  const auto cost = costs(train_, data);
  for (; epoch_ < epochs; ++epoch_, step_ = 0) {
    learner.begin_epoch(epoch_);
    auto order = bucketed(task_seeds("order", uint64_t(epoch_)).permutation(data.size()), cost,
                          options_.batch_size, task_seeds("batches", uint64_t(epoch_)));
    Loader loader(data, train_, pool_, std::move(order), options_.batch_size,
                  task_seeds("augment", uint64_t(epoch_)));
    loader.seek(step_);
    while (const auto batch = loader.next()) {
      const double at = double(epoch_) + double(step_) / double(loader.batches());
      optimizer_->zero_grad();
      const Tensor loss = learner.loss(*batch);
      const double value = loss.item<double>();
      if (!std::isfinite(value))
        fail(ErrorKind::model,
             "the loss of task {} became {} in epoch {}: lower training.lr or set "
             "training.clip_norm",
             task.index + 1, value, epoch_ + 1);
      loss.backward();
      learner.after_backward();
      optimizer_->step(learning_rate(options_.optimizer, at, epochs));
      learner.after_step(*batch);
      ++step_;
      progress.note(fmt::format("loss {:.3f}", value));
      progress.advance(batch->size());
      if (between_steps_) between_steps_();
    }
  }
  optimizer_.reset();
  epoch_ = step_ = 0;
}

void Trainer::each_batch(const Dataset& data, const std::string& label,
                         const std::function<void(const Batch&)>& body) {
  each_batch(data, costliest_first(costs(test_, data)), label, body);
}

void Trainer::each_batch(const Dataset& data, std::vector<int64_t> order, const std::string& label,
                         const std::function<void(const Batch&)>& body) {
  Progress progress(label, int64_t(order.size()), test_.unit());
  Loader loader(data, test_, pool_, std::move(order), kBatch, Random());
  NoGrad no_grad;
  while (const auto batch = loader.next()) {
    body(*batch);
    progress.advance(batch->size());
  }
}

FeatureSet Trainer::features(const Backbone& backbone, const Dataset& data,
                             const nn::Adaptations& adaptations) {
  FeatureSet set{at::empty({data.size(), backbone.width()}), tensor_of(data.targets())};
  auto unknown = recall(backbone, data, adaptations, set.features);
  if (unknown.empty()) return set;
  each_batch(data, std::move(unknown), "features", [&](const Batch& batch) {
    set.features.index_copy_(0, batch.row, backbone.features(batch.input, adaptations));
  });
  return set;
}

// Fills in the features the backbone's cache knows; returns which samples it does not, in the order
// they are to be loaded. Asked batch by batch, since a batch that is whole is a pass saved.
std::vector<int64_t> Trainer::recall(const Backbone& backbone, const Dataset& data,
                                     const nn::Adaptations& adaptations, Tensor& features) {
  auto order = costliest_first(costs(test_, data));
  if (!backbone.cache() || !test_.deterministic()) return order;
  const Tensor keys = input_keys(test_, data, pool_);
  std::vector<int64_t> unknown;
  NoGrad no_grad;
  for (size_t first = 0; first < order.size(); first += kBatch) {
    const auto batch =
        std::span(order).subspan(first).first(std::min(size_t(kBatch), order.size() - first));
    const Tensor rows = tensor_of(batch);
    Tensor known = at::empty({rows.size(0), features.size(1)});
    const auto missing = backbone.recall(keys.index_select(0, rows), known, adaptations);
    features.index_copy_(0, rows, known);
    for (const int64_t row : missing) unknown.push_back(batch[size_t(row)]);
  }
  test_.never_needed(int64_t(order.size() - unknown.size()));
  return unknown;
}

void Trainer::state(Archive& a) {
  a("epoch", epoch_);
  a("step", step_);
  std::string optimizer = !a.loading() && optimizer_ ? optimizer_->state() : restored_;
  a("optimizer", optimizer);
  if (a.loading()) restored_ = optimizer;
}

}  // namespace patina

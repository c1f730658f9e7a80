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

void Trainer::epochs(Learner& learner, const Task& task) {
  const Dataset& data = *task.train;
  optimizer_ = std::make_unique<Optimizer>(options_.optimizer, learner.trainable());
  if (!restored_.empty()) optimizer_->set_state(std::exchange(restored_, {}));
  const Seeds task_seeds(seeds_("task", uint64_t(task.index)).bits());
  Progress progress(fmt::format("task {}: training", task.index + 1), options_.epochs * data.size(),
                    train_.unit());
  const auto cost = costs(train_, data);
  for (; epoch_ < options_.epochs; ++epoch_, step_ = 0) {
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
      optimizer_->step(learning_rate(options_.optimizer, at, options_.epochs));
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
  constexpr int64_t kBatch = 128;
  Loader loader(data, test_, pool_, kBatch);
  Progress progress(label, data.size(), test_.unit());
  NoGrad no_grad;
  while (const auto batch = loader.next()) {
    body(*batch);
    progress.advance(batch->size());
  }
}

FeatureSet Trainer::features(const Backbone& backbone, const Dataset& data,
                             const nn::Adaptations& adaptations) {
  FeatureSet set{at::empty({data.size(), backbone.width()}), tensor_of(data.targets())};
  each_batch(data, "features", [&](const Batch& batch) {
    set.features.index_copy_(0, batch.row, backbone.features(batch.input, adaptations));
  });
  return set;
}

void Trainer::state(Archive& a) {
  a("epoch", epoch_);
  a("step", step_);
  std::string optimizer = !a.loading() && optimizer_ ? optimizer_->state() : restored_;
  a("optimizer", optimizer);
  if (a.loading()) restored_ = optimizer;
}

}  // namespace patina

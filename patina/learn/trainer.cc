#include "patina/learn/trainer.h"

#include <cmath>
#include <numeric>
#include <utility>

#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/data/order.h"
#include "patina/dist/parted_gradient.h"
#include "patina/dist/row_shares.h"
#include "patina/learn/learner.h"
#include "patina/learn/loss_scope.h"
#include "patina/nn/dropout.h"
#include "patina/ops.h"

namespace patina {

namespace {
thread_local LossScope* innermost_loss_scope = nullptr;
}  // namespace

LossScope::LossScope(Hear hear)
    : hear_(std::move(hear)), before_(std::exchange(innermost_loss_scope, this)) {}

LossScope::~LossScope() {
  innermost_loss_scope = before_;
}

void tell_loss(int64_t step, double loss) {
  if (innermost_loss_scope) innermost_loss_scope->hear_(step, loss);
}

void TrainingOptions::bind(Fields& f) {
  f("epochs", epochs, "Passes over each task's samples.", at_least(1));
  f("batch_size", batch_size, "Samples per step.", at_least(1));
  f("updates_per_batch", updates_per_batch,
    "Steps on every batch of a single-pass stream, which uses no schedule.", at_least(1));
  f("accumulate", accumulate,
    "Of methods that answer with text: parts in which a batch is learned, one after the other, "
    "before the step. Less memory, and the same step: the loss is a mean over the batch's tokens.",
    at_least(1));
  f("shards", shards,
    "Parts into which a step's batch is cut, so that several workers can share them; 8 suits 1, 2, "
    "4 "
    "and 8 workers. The results depend on this number, not on that of the workers.",
    at_least(1));
  f("fast", fast,
    "Whether the gradients of shards are added in the order that is fastest: the results then "
    "depend "
    "on the number of workers, by rounding.");
  f("pack", pack,
    "Of methods that answer with text: put several of a batch's texts into a row, where each is "
    "alone to the others. Less padding, and the same step.");
  optimizer.bind(f);
  f.require(shards == 1 || accumulate == 1, "accumulate",
            "goes with shards = 1: a shard is a part of a batch already");
  f.require(optimizer.anneal_epochs <= double(epochs), "anneal_epochs", "is more than epochs");
}

Trainer::Trainer(TrainingOptions options, const Feed& train, const Feed& test, ThreadPool& pool,
                 Seeds seeds, std::function<void()> between_steps, Workers* workers)
    : options_(std::move(options)),
      train_(train),
      test_(test),
      pool_(pool),
      seeds_(seeds),
      between_steps_(std::move(between_steps)),
      workers_(workers) {}

Trainer::~Trainer() = default;

namespace {

int64_t loss_tokens(const Input& input) {
  return input.loss.defined() ? input.loss.sum().item<int64_t>() : 0;
}

// A batch's rows in up to `count` parts of about as many; a packed row stays whole. What a part
// without a token that carries loss would add is nothing, so there is none.
std::vector<Batch> parts_of(const Batch& batch, int64_t count) {
  const int64_t rows = batch.input.size();
  count = std::min(count, rows);
  if (count <= 1) return {batch};
  const bool answers = batch.input.loss.defined();
  std::vector<Batch> parts;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t first = rows * i / count, last = rows * (i + 1) / count;
    Batch part = answers ? batch.rows(first, last) : batch.slice(first, last);
    if (!answers || loss_tokens(part.input) > 0) parts.push_back(std::move(part));
  }
  return parts;
}

// The loss of a batch of classes is a mean, of which a part has a share. That of answers is divided
// by the tokens of the whole batch.
double weight_of(const Batch& part, const std::vector<Batch>& parts) {
  if (parts.size() == 1 || part.input.loss.defined()) return 1;
  int64_t rows = 0;
  for (const auto& each : parts) rows += each.size();
  return double(part.size()) / double(rows);
}

// Single-pass samples are only available batch by batch.
Task without_samples(Task task, const Grant& grant) {
  if (!grant.many_passes) task.train = nullptr;
  return task;
}

}  // namespace

void Trainer::begin(Learner& learner, const Task& task, const Grant& grant) {
  if (in_task_) return;
  // Before the learner grows: the restored moments belong to the parameters at the time of the
  // save.
  if (!restored_.empty()) start_optimizer(learner);
  in_task_ = true;
  if (grant.boundaries) learner.begin_task(without_samples(task, grant), *this);
}

void Trainer::learn(Learner& learner, const Task& task, const Grant& grant) {
  begin(learner, task, grant);
  if (grant.many_passes) {
    learner.fit(task, *this);
  } else {
    // A stretch that goes on may grow the learner; inside a task of many passes nothing grows, and
    // the epochs start the optimizer.
    if (!restored_.empty()) start_optimizer(learner);
    pass(learner, task, grant.boundaries);
  }
  if (grant.boundaries) learner.end_task(without_samples(task, grant), *this);
  in_task_ = false;
}

void Trainer::start_optimizer(Learner& learner) {
  optimizer_ = std::make_unique<Optimizer>(options_.optimizer, groups_of(learner));
  if (!restored_.empty()) optimizer_->set_state(std::exchange(restored_, {}));
}

std::vector<ParamGroup> Trainer::groups_of(Learner& learner) {
  auto groups = learner.trainable();
  int64_t numbers = 0;
  for (const auto& group : groups)
    for (const auto& tensor : group.tensors) numbers += tensor.numel();
  most_trainable_ = std::max(most_trainable_, numbers);
  return groups;
}

double Trainer::descend(Learner& learner, const Batch& batch, Step step,
                        const std::function<std::string()>& where) {
  step.taken = descents_++;
  step.descent = options_.optimizer.optimizer == "sgd";
  step.trainer = this;
  // Before the first part is learned: each is divided by the tokens of the whole batch.
  step.tokens = loss_tokens(batch.input);
  const std::vector<Batch> parts = parts_of(batch, std::max(options_.accumulate, options_.shards));
  step.parts = int64_t(parts.size());
  optimizer_->zero_grad();
  const auto check = [&](double value) {
    if (!std::isfinite(value))
      fail(ErrorKind::model, "the loss {} became {}: lower training.lr or set training.clip_norm",
           where(), value);
  };
  double value = 0;
  if (options_.shards > 1) {
    value = sharded_gradient(learner, parts, step);
    check(value);
  } else {
    for (; step.part < step.parts; ++step.part) {
      const Tensor loss = loss_of(learner, parts, step);
      value += loss.item<double>();
      check(value);
      loss.backward();
    }
    step.part = 0;
  }
  learner.after_backward(step);
  optimizer_->step(step.rate, step.unscaled_rate);
  learner.after_step(batch, step);
  tell_loss(step.taken, value);
  return value;
}

Tensor Trainer::loss_of(Learner& learner, const std::vector<Batch>& parts, Step step) {
  const Batch& part = parts[size_t(step.part)];
  const Random dropout = seeds_("dropout", uint64_t(step.taken));
  const nn::Dropping dropping(step.part == 0 ? dropout : dropout.at(uint64_t(step.part)));
  step.weight = weight_of(part, parts);
  const Tensor loss = learner.loss(part, step);
  return step.weight == 1 ? loss : loss * step.weight;
}

// Every worker computes its share of the parts; then all have the gradient of the whole batch.
double Trainer::sharded_gradient(Learner& learner, const std::vector<Batch>& parts, Step step) {
  auto tensors = optimizer_->tensors();
  for (const auto& tensor : learner.reached()) tensors.push_back(tensor);
  PartedGradient gradient(std::move(tensors), step.parts, learner.divides() ? workers_ : nullptr,
                          options_.fast);
  {
    // What a part needs is this worker's own affair.
    Workers* const all = std::exchange(workers_, nullptr);
    const Finally together([&] { workers_ = all; });
    for (step.part = gradient.own().first; step.part < gradient.own().last; ++step.part) {
      const Tensor loss = loss_of(learner, parts, step);
      loss.backward();
      gradient.add(loss.item<double>());
    }
  }
  return gradient.finish();
}

// A worker decodes the images of its own shards.
void Trainer::share(Loader& loader, const Learner& learner) const {
  if (!workers_ || options_.shards == 1 || !learner.divides()) return;
  loader.prepare_only([this](int64_t size) {
    const int64_t parts = std::min(options_.shards, size);
    const Share own = share_of(parts, workers_->rank(), workers_->size());
    return std::pair(size * own.first / parts, size * own.last / parts);
  });
}

struct Trainer::Epochs {
  Epochs(const Dataset& samples, int64_t epochs, int64_t task, Seeds seeds,
         const std::string& where, const Feed& feed)
      : data(&samples),
        count(epochs),
        round(task),
        seeds(seeds),
        where(where),
        cost(costs(feed, samples)),
        progress(where + ": training", epochs * samples.size(), feed.unit()) {}

  Step step(const OptimizerOptions& options, int64_t epoch, int64_t step, int64_t steps) const {
    const double at = double(epoch) + double(step) / double(steps);
    return {.epoch = epoch,
            .epochs = count,
            .step = step,
            .steps = steps,
            .rate = learning_rate(options, at, count, round),
            .unscaled_rate = unscaled_rate(options, at, count, round),
            .samples = data};
  }

  // The epoch's own samples, where a learner chooses them.
  void choose(Dataset samples, const Feed& feed) {
    data = &chosen.emplace(std::move(samples));
    cost = costs(feed, *data);
  }

  const Dataset* data;
  std::optional<Dataset> chosen;
  int64_t count;
  int64_t round;  // the task, for schedules of the whole stream
  Seeds seeds;
  std::string where;
  std::vector<int64_t> cost;
  Progress progress;
};

void Trainer::epoch(Learner& learner, Epochs& shared, int64_t epoch, int64_t from_step,
                    const std::function<void(const Batch&)>& after_batch) {
  const auto random = [&](const char* name) { return shared.seeds(name, uint64_t(epoch)); };
  auto order = bucketed(random("order").permutation(shared.data->size()), shared.cost,
                        options_.batch_size, random("batches"));
  Loader loader(*shared.data, train_, pool_, std::move(order), options_.batch_size,
                random("augment"));
  share(loader, learner);
  loader.seek(from_step);
  for (int64_t step = from_step; const auto batch = loader.next(); ++step) {
    const double value =
        descend(learner, *batch, shared.step(options_.optimizer, epoch, step, loader.batches()),
                [&] { return fmt::format("of {} in epoch {}", shared.where, epoch + 1); });
    shared.progress.note(fmt::format("loss {:.3f}", value));
    shared.progress.advance(batch->size());
    after_batch(*batch);
  }
}

void Trainer::epochs(Learner& learner, const Task& task, int64_t epochs) {
  start_optimizer(learner);
  run_epochs(learner, task, epochs);
  optimizer_.reset();
}

void Trainer::epochs_of_stream(Learner& learner, const Task& task) {
  if (optimizer_)
    optimizer_->replace(groups_of(learner));
  else
    start_optimizer(learner);
  run_epochs(learner, task, options_.epochs);
}

// A second training of a task has an order and augmentations of its own.
Seeds Trainer::seeds_of_training(const Task& task) {
  if (std::exchange(trained_task_, task.index) != task.index) trainings_ = 0;
  Random random = seeds_("task", uint64_t(task.index));
  if (trainings_ > 0) random = random.at(uint64_t(trainings_));
  return Seeds(random.bits());
}

void Trainer::run_epochs(Learner& learner, const Task& task, int64_t epochs) {
  Epochs shared(*task.train, epochs, task.index, seeds_of_training(task),
                fmt::format("task {}", task.index + 1), train_);
  const int64_t samples = task.train->size();
  shared.progress.resume(epoch_ * samples + std::min(step_ * options_.batch_size, samples));
  for (; epoch_ < epochs; ++epoch_, step_ = 0) {
    if (Generator* generator = learner.generator())
      shared.choose(generator->samples_of(task, epoch_), train_);
    learner.begin_epoch(shared.step(options_.optimizer, epoch_, 0, 1));
    epoch(learner, shared, epoch_, step_, [&](const Batch& batch) {
      ++step_;
      if (trainings_ == 0 && epoch_ == 0) learner.remember(batch);
      if (between_steps_) between_steps_();
    });
  }
  ++trainings_;
  // The last step's gradients take as much memory as the parameters trained; the next may be
  // others.
  optimizer_->zero_grad();
  epoch_ = step_ = 0;
}

void Trainer::train_on(Learner& learner, const Dataset& data, int64_t epochs, const Seeds& seeds) {
  auto outer = std::exchange(optimizer_,
                             std::make_unique<Optimizer>(options_.optimizer, groups_of(learner)));
  Epochs shared(data, epochs, 0, seeds, "the memory", train_);
  for (int64_t i = 0; i < epochs; ++i) {
    learner.begin_epoch(shared.step(options_.optimizer, i, 0, 1));
    epoch(learner, shared, i, 0, [](const Batch&) { stop_if_asked(); });
  }
  optimizer_->zero_grad();
  optimizer_ = std::move(outer);
}

double Trainer::descend(Learner& learner, const Batch& batch, double rate_factor) {
  if (optimizer_)
    optimizer_->regroup(groups_of(learner));
  else
    start_optimizer(learner);
  return descend(learner, batch, {.rate = options_.optimizer.lr * rate_factor}, [&] {
    return observed_ > 0 ? fmt::format("after {} samples", observed_)
                         : fmt::format("in step {} of the run", descents_);
  });
}

void Trainer::pass(Learner& learner, const Task& task, bool told) {
  const Dataset& stretch = *task.train;
  const Feed& feed = learner.reads_features() ? test_ : train_;
  const Seeds seeds(seeds_("task", uint64_t(task.index)).bits());
  Progress progress(fmt::format("stretch {}: learning", task.index + 1), stretch.size(),
                    feed.unit());
  std::vector<int64_t> order(size_t(stretch.size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  Loader loader(stretch, feed, pool_, std::move(order), options_.batch_size, seeds("augment"));
  if (!learner.reads_features()) share(loader, learner);
  loader.seek(step_);
  progress.resume(std::min(step_ * options_.batch_size, stretch.size()));
  while (const auto batch = loader.next()) {
    // Classes are numbered in order of appearance.
    const int64_t met = std::max(met_, batch->target.max().item<int64_t>() + 1);
    const int64_t fresh = met - std::exchange(met_, met);
    if (fresh > 0 && !told) learner.begin_classes(fresh);
    learner.observe(*batch, *this);
    observed_ += batch->size();
    ++step_;
    progress.advance(batch->size());
    if (between_steps_) between_steps_();
  }
  step_ = 0;
}

void Trainer::each_batch(const Dataset& data, const std::string& label,
                         const std::function<void(const Batch&)>& body) {
  each_batch(data, costliest_first(costs(test_, data)), label, body);
}

Tensor Trainer::each_row(const Dataset& data, const std::string& label,
                         const std::function<Tensor(const Batch&)>& body) {
  const RowShares shares(workers_, costliest_first(costs(test_, data)), kBatch);
  Tensor rows;
  each_batch(data, shares.own(), label, [&](const Batch& batch) {
    put_rows(rows, data.size(), batch.row, on_host(body(batch)));
  });
  shares.complete(rows);
  return rows;
}

void Trainer::each_batch(const Dataset& data, std::vector<int64_t> order, const std::string& label,
                         const std::function<void(const Batch&)>& body) {
  Progress progress(label, int64_t(order.size()), test_.unit());
  Loader loader(data, test_, pool_, std::move(order), kBatch, Random());
  NoGrad no_grad;
  while (const auto batch = loader.next()) {
    stop_if_asked();
    body(*batch);
    progress.advance(batch->size());
  }
}

FeatureSet Trainer::features(const Backbone& backbone, const Dataset& data,
                             const nn::Adaptations& adaptations) {
  const Place place = backbone.place();
  FeatureSet set{at::empty({data.size(), backbone.width()}, place.options()),
                 tensor_of(data.targets(), place.device)};
  const RowShares shares(workers_, costliest_first(costs(test_, data)), kBatch);
  auto unknown = recall(backbone, data, shares.own(), adaptations, set.features);
  if (!unknown.empty())
    each_batch(data, std::move(unknown), "features", [&](const Batch& batch) {
      set.features.index_copy_(0, on(place.device, batch.row),
                               backbone.features(batch.input, adaptations));
    });
  shares.complete(set.features);
  return set;
}

// Fills in the features that the backbone's cache has of the samples of `order`; returns the
// others, in the order to load them. Asked batch by batch, since only a batch without missing
// features saves a pass.
std::vector<int64_t> Trainer::recall(const Backbone& backbone, const Dataset& data,
                                     const std::vector<int64_t>& order,
                                     const nn::Adaptations& adaptations, Tensor& features) {
  if (!backbone.cache() || !test_.deterministic()) return order;
  const Tensor keys = input_keys(test_, data, pool_);
  std::vector<int64_t> unknown;
  NoGrad no_grad;
  for (size_t first = 0; first < order.size(); first += kBatch) {
    stop_if_asked();
    const auto batch =
        std::span(order).subspan(first).first(std::min(size_t(kBatch), order.size() - first));
    const Tensor rows = tensor_of(batch);
    Tensor known = at::empty({rows.size(0), features.size(1)});
    const auto missing = backbone.recall(keys.index_select(0, rows), known, adaptations);
    features.index_copy_(0, on(features.device(), rows), on(features.device(), known));
    for (const int64_t row : missing) unknown.push_back(batch[size_t(row)]);
  }
  test_.never_needed(int64_t(order.size() - unknown.size()));
  return unknown;
}

void Trainer::state(Archive& a) {
  a("in_task", in_task_);
  a("most_trainable", most_trainable_);
  a("trained_task", trained_task_);
  a("trainings", trainings_);
  a("epoch", epoch_);
  a("step", step_);
  a("descents", descents_);
  std::vector<Tensor> optimizer = !a.loading() && optimizer_ ? optimizer_->state() : restored_;
  a("optimizer", optimizer);
  a("observed", observed_);
  a("met", met_);
  if (a.loading()) restored_ = optimizer;
}

}  // namespace patina

#include "patina/optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <set>

#include "patina/base/error.h"
#include "patina/ops.h"

namespace patina {

void OptimizerOptions::bind(Fields& f) {
  f("optimizer", optimizer, "Update rule.", {"sgd", "adam", "adamw"});
  f("lr", lr, "Learning rate at the start of the schedule.", above(0));
  f("momentum", momentum, "Momentum of sgd.", {.low = 0, .high = 1, .high_open = true});
  f("nesterov", nesterov, "Nesterov's momentum for sgd.");
  f("beta1", beta1, "First moment's decay of adam and adamw.",
    {.low = 0, .high = 1, .high_open = true});
  f("beta2", beta2, "Second moment's decay of adam and adamw.",
    {.low = 0, .high = 1, .high_open = true});
  f("amsgrad", amsgrad, "Adam divides by the largest second moment so far (AMSGrad).");
  f("weight_decay", weight_decay, "L2 penalty (sgd, adam) or decoupled decay (adamw).",
    at_least(0));
  f("schedule", schedule, "How the learning rate falls over a task's epochs.",
    {"cosine", "step", "quarter_cosine", "constant", "rewarm_cosine", "falling_cosine",
     "infinite"});
  f("min_lr", min_lr,
    "Learning rate at the end of a cosine, for which the factors of groups do not scale it, and of "
    "infinite's annealing.",
    at_least(0));
  f("milestones", milestones, "Epochs at which the step schedule multiplies the rate by gamma.",
    at_least(0));
  f("gamma", gamma, "Factor of the step schedule.", above(0));
  f("warmup_epochs", warmup_epochs, "Epochs of linear warm-up, from a hundredth of lr.",
    at_least(0));
  f("cooldown_epochs", cooldown_epochs,
    "infinite: epochs of the stream over which the rate falls from lr to constant_lr, after the "
    "warm-up.",
    at_least(0));
  f("constant_lr", constant_lr,
    "infinite: the rate from then on, as long as tasks come; 0: midway between lr and min_lr.",
    at_least(0));
  f("anneal_epochs", anneal_epochs,
    "infinite: the last epochs of each task, in which the rate falls to min_lr, for a model to be "
    "used; 0: none.",
    at_least(0));
  f("anneal", anneal,
    "infinite: \"to_min\" reaches min_lr in anneal_epochs; \"as_printed\" has the exponent that "
    "the paper prints, which does not.",
    {"to_min", "as_printed"});
  f("clip_norm", clip_norm, "Largest L2 norm of all gradients together; 0: no clipping.",
    at_least(0));
  f.require(!nesterov || momentum > 0, "nesterov", "needs momentum > 0");
  f.require(schedule == "infinite" || cooldown_epochs == 0, "cooldown_epochs",
            "needs schedule = \"infinite\"");
  f.require(schedule == "infinite" || constant_lr == 0, "constant_lr",
            "needs schedule = \"infinite\"");
  f.require(schedule == "infinite" || anneal_epochs == 0, "anneal_epochs",
            "needs schedule = \"infinite\"");
  f.require(anneal_epochs == 0 || min_lr > 0, "anneal_epochs", "needs min_lr > 0");
}

namespace {

double falling(double part) {
  return (1 + std::cos(std::numbers::pi * part)) / 2;
}

// The factor of a cosine over a task: 1 at the end of the warm-up, near 0 at the end of training.
double left_of_cosine(const OptimizerOptions& options, double epoch, int64_t epochs) {
  if (options.schedule == "cosine") epoch = std::floor(epoch);
  const double past = epoch - options.warmup_epochs;
  const double all = double(epochs) - options.warmup_epochs;
  if (past <= 0 || all <= 0) return 1;
  return falling(past / all);
}

// By how much a task's ceiling is nearer to min_lr than lr is: 1 is lr.
double left_of_ceiling(const OptimizerOptions& options, int64_t round) {
  return options.schedule == "falling_cosine" ? falling(double(round) / double(round + 1)) : 1;
}

double ceiling_of(const OptimizerOptions& options, int64_t round) {
  if (options.schedule != "falling_cosine") return options.lr;
  return options.min_lr + (options.lr - options.min_lr) * left_of_ceiling(options, round);
}

bool falls_to_min(const OptimizerOptions& options) {
  return options.schedule == "cosine" || options.schedule == "rewarm_cosine" ||
         options.schedule == "falling_cosine";
}

double warmed(const OptimizerOptions& options, double epoch) {
  return epoch < options.warmup_epochs ? std::max(0.01, epoch / options.warmup_epochs) : 1;
}

double infinite_rate(const OptimizerOptions& options, double epoch, int64_t epochs, int64_t round) {
  const double constant =
      options.constant_lr > 0 ? options.constant_lr : (options.lr + options.min_lr) / 2;
  const double now = double(round * epochs) + epoch;
  if (anneals(options, epoch, epochs)) {
    const double begin = double((round + 1) * epochs) - options.anneal_epochs;
    const double length = options.anneal_epochs + (options.anneal == "as_printed" ? begin : 0);
    return constant * std::pow(options.min_lr / constant, (now - begin) / length);
  }
  if (now < options.warmup_epochs) return options.lr * warmed(options, now);
  const double past = now - options.warmup_epochs;
  if (past >= options.cooldown_epochs) return constant;
  return constant + (options.lr - constant) * falling(past / options.cooldown_epochs);
}

}  // namespace

bool anneals(const OptimizerOptions& options, double epoch, int64_t epochs) {
  return options.schedule == "infinite" && options.anneal_epochs > 0 &&
         epoch >= double(epochs) - options.anneal_epochs;
}

double learning_rate(const OptimizerOptions& options, double epoch, int64_t epochs, int64_t round) {
  if (options.schedule == "infinite") return infinite_rate(options, epoch, epochs, round);
  const double ceiling = ceiling_of(options, round);
  if (epoch < options.warmup_epochs) return ceiling * warmed(options, epoch);
  if (falls_to_min(options))
    return options.min_lr + (ceiling - options.min_lr) * left_of_cosine(options, epoch, epochs);
  if (options.schedule == "quarter_cosine") {
    const double part =
        std::max(0.0, std::floor(epoch) - 1) / double(std::max<int64_t>(1, epochs - 1));
    return options.lr * std::cos(0.495 * std::numbers::pi * part);
  }
  double lr = options.lr;
  if (options.schedule == "step")
    for (const int64_t milestone : options.milestones)
      if (epoch >= double(milestone)) lr *= options.gamma;
  return lr;
}

double unscaled_rate(const OptimizerOptions& options, double epoch, int64_t epochs, int64_t round) {
  if (!falls_to_min(options)) return 0;
  const double of_ceiling = left_of_ceiling(options, round);
  if (epoch < options.warmup_epochs)
    return options.min_lr * (1 - of_ceiling) * warmed(options, epoch);
  return options.min_lr * (1 - of_ceiling * left_of_cosine(options, epoch, epochs));
}

double clip_gradients(const std::vector<Tensor>& tensors, double limit) {
  NoGrad no_grad;
  double squares = 0;
  for (const auto& t : tensors)
    if (t.grad().defined()) squares += std::pow(at::linalg_vector_norm(t.grad()).item<double>(), 2);
  const double norm = std::sqrt(squares);
  if (norm > limit)
    for (const auto& t : tensors)
      if (t.grad().defined()) t.mutable_grad().mul_(limit / (norm + 1e-6));
  return norm;
}

namespace {

// The optimizer state of one tensor. `steps` counts the steps in which it had a gradient.
struct Moments {
  int64_t steps = 0;
  Tensor first;    // sgd's momentum, Adam's mean of gradients
  Tensor second;   // Adam's mean of squared gradients
  Tensor largest;  // AMSGrad's running maximum of the second moment
};

// Sutskever et al., ICML 2013, in PyTorch's form: the learning rate is not part of the momentum.
void sgd_step(const OptimizerOptions& o, Tensor p, Tensor g, Moments& known, double lr,
              double decay) {
  if (decay != 0) g = g.add(p, decay);
  if (o.momentum != 0) {
    if (known.first.defined())
      known.first.mul_(o.momentum).add_(g);
    else
      known.first = g.clone();
    g = o.nesterov ? g.add(known.first, o.momentum) : known.first;
  }
  p.add_(g, -lr);
}

// Kingma and Ba, ICLR 2015; decoupled decay: Loshchilov and Hutter, ICLR 2019; AMSGrad: Reddi et
// al., ICLR 2018.
void adam_step(const OptimizerOptions& o, Tensor p, Tensor g, Moments& known, double lr,
               double decay) {
  constexpr double kEps = 1e-8;
  if (!known.first.defined()) {
    known.first = at::zeros_like(p);
    known.second = at::zeros_like(p);
    if (o.amsgrad) known.largest = at::zeros_like(p);
  }
  if (decay != 0) {
    if (o.optimizer == "adamw")
      p.mul_(1 - lr * decay);
    else
      g = g.add(p, decay);
  }
  known.first.mul_(o.beta1).add_(g, 1 - o.beta1);
  known.second.mul_(o.beta2).addcmul_(g, g, 1 - o.beta2);
  if (o.amsgrad) known.largest = at::maximum(known.largest, known.second);
  const double steps = double(known.steps);
  const double bias1 = 1 - std::pow(o.beta1, steps), bias2 = 1 - std::pow(o.beta2, steps);
  const Tensor& squares = o.amsgrad ? known.largest : known.second;
  p.addcdiv_(known.first, squares.sqrt().div_(std::sqrt(bias2)).add_(kEps), -lr / bias1);
}

// State for a tensor of `rows` rows: the old state, with zeros for the new rows.
Tensor grown(const Tensor& known, int64_t rows) {
  if (!known.defined() || known.size(0) == rows) return known;
  std::vector<int64_t> more = known.sizes().vec();
  more[0] = rows - known.size(0);
  return at::cat({known, at::zeros(more, known.options())});
}

bool more_rows(const Tensor& now, const Tensor& before) {
  return now.dim() > 0 && now.dim() == before.dim() && now.size(0) > before.size(0) &&
         now.sizes().slice(1) == before.sizes().slice(1);
}

}  // namespace

struct Optimizer::State {
  OptimizerOptions options;
  std::vector<ParamGroup> groups;
  std::vector<std::vector<Moments>> moments;  // per group and tensor

  State(const OptimizerOptions& given, std::vector<ParamGroup> all)
      : options(given), groups(std::move(all)) {
    for (const auto& group : groups) moments.emplace_back(group.tensors.size());
  }
};

Optimizer::Optimizer(const OptimizerOptions& options, std::vector<ParamGroup> groups)
    : state_(std::make_unique<State>(options, std::move(groups))) {}
Optimizer::~Optimizer() = default;
Optimizer::Optimizer(Optimizer&&) noexcept = default;

void Optimizer::regroup(std::vector<ParamGroup> groups) {
  State next(state_->options, std::move(groups));
  std::map<const void*, Moments*> known;
  for (size_t g = 0; g < state_->groups.size(); ++g)
    for (size_t i = 0; i < state_->moments[g].size(); ++i)
      known[state_->groups[g].tensors[i].unsafeGetTensorImpl()] = &state_->moments[g][i];
  // First, tensors that stay take their own state, so that no other tensor inherits it.
  std::set<const void*> stays;
  for (size_t g = 0; g < next.groups.size(); ++g)
    for (size_t i = 0; i < next.moments[g].size(); ++i)
      if (auto found = known.extract(next.groups[g].tensors[i].unsafeGetTensorImpl())) {
        stays.insert(found.key());
        next.moments[g][i] = std::move(*found.mapped());
      }
  for (size_t g = 0; g < next.groups.size() && g < state_->groups.size(); ++g) {
    const auto& before = state_->groups[g].tensors;
    const auto& now = next.groups[g].tensors;
    for (size_t i = 0; i < now.size() && i < before.size(); ++i) {
      const auto found = known.find(before[i].unsafeGetTensorImpl());
      if (stays.contains(now[i].unsafeGetTensorImpl()) || found == known.end() ||
          !more_rows(now[i], before[i]))
        continue;
      const Moments& of = *found->second;
      const int64_t rows = now[i].size(0);
      next.moments[g][i] = {of.steps, grown(of.first, rows), grown(of.second, rows),
                            grown(of.largest, rows)};
    }
  }
  *state_ = std::move(next);
}

void Optimizer::replace(std::vector<ParamGroup> groups) {
  State next(state_->options, std::move(groups));
  std::map<const void*, const Moments*> known;
  for (size_t g = 0; g < state_->groups.size(); ++g)
    for (size_t i = 0; i < state_->moments[g].size(); ++i)
      known[state_->groups[g].tensors[i].unsafeGetTensorImpl()] = &state_->moments[g][i];
  for (size_t g = 0; g < next.groups.size(); ++g) {
    int64_t steps = 0;
    if (g < state_->moments.size())
      for (const auto& moments : state_->moments[g]) steps = std::max(steps, moments.steps);
    for (size_t i = 0; i < next.moments[g].size(); ++i) {
      const auto found = known.find(next.groups[g].tensors[i].unsafeGetTensorImpl());
      next.moments[g][i] = found == known.end() ? Moments{.steps = steps} : *found->second;
    }
  }
  *state_ = std::move(next);
}

std::vector<Tensor> Optimizer::tensors() const {
  std::vector<Tensor> all;
  for (const auto& group : state_->groups)
    all.insert(all.end(), group.tensors.begin(), group.tensors.end());
  return all;
}

void Optimizer::zero_grad() {
  for (auto& group : state_->groups)
    for (auto& tensor : group.tensors) tensor.mutable_grad() = Tensor();
}

void Optimizer::step(double lr, double unscaled) {
  const auto& options = state_->options;
  if (options.clip_norm > 0) {
    std::vector<Tensor> all;
    for (const auto& group : state_->groups)
      all.insert(all.end(), group.tensors.begin(), group.tensors.end());
    clip_gradients(all, options.clip_norm);
  }
  NoGrad no_grad;
  const auto update = options.optimizer == "sgd" ? sgd_step : adam_step;
  for (size_t g = 0; g < state_->groups.size(); ++g) {
    const ParamGroup& group = state_->groups[g];
    for (size_t i = 0; i < group.tensors.size(); ++i) {
      const Tensor& p = group.tensors[i];
      if (!p.grad().defined()) continue;
      Moments& known = state_->moments[g][i];
      ++known.steps;
      update(options, p, p.grad(), known, unscaled + (lr - unscaled) * group.lr_factor,
             options.weight_decay * group.weight_decay_factor);
    }
  }
}

namespace {
// Number of tensors per parameter in a checkpoint.
constexpr size_t kKept = 4;  // steps [], first, second, largest
}  // namespace

std::vector<Tensor> Optimizer::state() const {
  std::vector<Tensor> kept;
  for (const auto& group : state_->moments)
    for (const auto& known : group)
      kept.insert(kept.end(),
                  {at::full({}, known.steps, at::kLong), known.first, known.second, known.largest});
  return kept;
}

void Optimizer::set_state(const std::vector<Tensor>& kept) {
  const auto require = [](bool good, const char* what) {
    if (!good) fail(ErrorKind::state, "the optimizer's state cannot be read: {}", what);
  };
  State next(state_->options, state_->groups);
  size_t count = 0;
  for (const auto& group : next.groups) count += kKept * group.tensors.size();
  require(kept.size() == count, "it is of other tensors");
  const Tensor* from = kept.data();
  for (size_t g = 0; g < next.groups.size(); ++g)
    for (size_t i = 0; i < next.moments[g].size(); ++i, from += kKept) {
      const Tensor& p = next.groups[g].tensors[i];
      require(from->defined() && from->scalar_type() == at::kLong && from->numel() == 1,
              "a count of steps is missing");
      for (size_t part = 1; part < kKept; ++part)
        require(!from[part].defined() || (from[part].sizes() == p.sizes() &&
                                          from[part].scalar_type() == p.scalar_type()),
                "a moment has another shape than its tensor");
      const auto copy = [&](const Tensor& t) { return t.defined() ? t.to(p.device()).clone() : t; };
      next.moments[g][i] = {from->item<int64_t>(), copy(from[1]), copy(from[2]), copy(from[3])};
    }
  *state_ = std::move(next);
}

}  // namespace patina

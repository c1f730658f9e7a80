#include "patina/optim/optimizer.h"

#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>
#include <torch/serialize/archive.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <set>
#include <sstream>

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
    {"cosine", "step", "quarter_cosine", "constant"});
  f("min_lr", min_lr, "Where the cosine ends.", at_least(0));
  f("milestones", milestones, "Epochs at which the step schedule multiplies the rate by gamma.",
    at_least(0));
  f("gamma", gamma, "Factor of the step schedule.", above(0));
  f("warmup_epochs", warmup_epochs, "Epochs of linear warm-up, from a hundredth of lr.",
    at_least(0));
  f("clip_norm", clip_norm, "Largest L2 norm of all gradients together; 0: no clipping.",
    at_least(0));
  f.require(!nesterov || momentum > 0, "nesterov", "needs momentum > 0");
}

double learning_rate(const OptimizerOptions& options, double epoch, int64_t epochs) {
  if (epoch < options.warmup_epochs)
    return options.lr * std::max(0.01, epoch / options.warmup_epochs);
  if (options.schedule == "cosine") {
    const double part = std::floor(epoch) / double(std::max<int64_t>(1, epochs));
    return options.min_lr +
           (options.lr - options.min_lr) * (1 + std::cos(std::numbers::pi * part)) / 2;
  }
  if (options.schedule == "quarter_cosine") {
    const double part = std::floor(epoch) / double(std::max<int64_t>(1, epochs - 1));
    return options.lr * std::cos(0.495 * std::numbers::pi * part);
  }
  double lr = options.lr;
  if (options.schedule == "step")
    for (const int64_t milestone : options.milestones)
      if (epoch >= double(milestone)) lr *= options.gamma;
  return lr;
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

struct Optimizer::State {
  OptimizerOptions options;
  std::vector<ParamGroup> groups;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
};

namespace {

// The library's per-group options: our values with the group's factors applied.
template <class LibraryOptions>
std::vector<torch::optim::OptimizerParamGroup> library_groups(const OptimizerOptions& options,
                                                              const std::vector<ParamGroup>& groups,
                                                              LibraryOptions shared) {
  std::vector<torch::optim::OptimizerParamGroup> result;
  for (const auto& group : groups) {
    auto own = std::make_unique<LibraryOptions>(shared);
    own->weight_decay(options.weight_decay * group.weight_decay_factor);
    result.emplace_back(group.tensors, std::move(own));
  }
  return result;
}

}  // namespace

Optimizer::Optimizer(const OptimizerOptions& options, std::vector<ParamGroup> groups)
    : state_(std::make_unique<State>(State{options, std::move(groups), nullptr})) {
  namespace library = torch::optim;
  const auto& list = state_->groups;
  if (options.optimizer == "sgd") {
    const auto shared =
        library::SGDOptions(options.lr).momentum(options.momentum).nesterov(options.nesterov);
    state_->optimizer =
        std::make_unique<library::SGD>(library_groups(options, list, shared), shared);
  } else if (options.optimizer == "adam") {
    const auto shared = library::AdamOptions(options.lr)
                            .betas({options.beta1, options.beta2})
                            .amsgrad(options.amsgrad);
    state_->optimizer =
        std::make_unique<library::Adam>(library_groups(options, list, shared), shared);
  } else {
    PATINA_CHECK(options.optimizer == "adamw", "optimizer {}", options.optimizer);
    const auto shared = library::AdamWOptions(options.lr)
                            .betas({options.beta1, options.beta2})
                            .amsgrad(options.amsgrad);
    state_->optimizer =
        std::make_unique<library::AdamW>(library_groups(options, list, shared), shared);
  }
}

namespace {

// LibTorch 1.13 calls a tensor by its address in letters, later ones by the address.
template <class States>
typename States::key_type key_of(const States&, const Tensor& tensor) {
  if constexpr (std::is_same_v<typename States::key_type, std::string>)
    return c10::guts::to_string(tensor.unsafeGetTensorImpl());
  else
    return tensor.unsafeGetTensorImpl();
}

// What is known of the first rows of a tensor with `rows` of them; zero of the others.
Tensor grown(const Tensor& known, int64_t rows) {
  if (!known.defined() || known.size(0) == rows) return known;
  std::vector<int64_t> more = known.sizes().vec();
  more[0] = rows - known.size(0);
  return at::cat({known, at::zeros(more, known.options())});
}

template <class Adam>
std::unique_ptr<torch::optim::OptimizerParamState> grown_moments(const Adam& known, int64_t rows) {
  auto state = std::make_unique<Adam>();
  state->step(known.step());
  state->exp_avg(grown(known.exp_avg(), rows));
  state->exp_avg_sq(grown(known.exp_avg_sq(), rows));
  state->max_exp_avg_sq(grown(known.max_exp_avg_sq(), rows));
  return state;
}

std::unique_ptr<torch::optim::OptimizerParamState> grown(
    const torch::optim::OptimizerParamState& known, int64_t rows) {
  namespace library = torch::optim;
  if (const auto* adam = dynamic_cast<const library::AdamParamState*>(&known))
    return grown_moments(*adam, rows);
  if (const auto* adamw = dynamic_cast<const library::AdamWParamState*>(&known))
    return grown_moments(*adamw, rows);
  const auto* sgd = dynamic_cast<const library::SGDParamState*>(&known);
  PATINA_CHECK(sgd, "an optimizer's state of an unknown kind");
  auto state = std::make_unique<library::SGDParamState>();
  state->momentum_buffer(grown(sgd->momentum_buffer(), rows));
  return state;
}

bool more_rows(const Tensor& now, const Tensor& before) {
  return now.dim() > 0 && now.dim() == before.dim() && now.size(0) >= before.size(0) &&
         now.sizes().slice(1) == before.sizes().slice(1);
}

bool same_tensors(const std::vector<ParamGroup>& a, const std::vector<ParamGroup>& b) {
  return std::ranges::equal(a, b, [](const ParamGroup& x, const ParamGroup& y) {
    return x.lr_factor == y.lr_factor && x.weight_decay_factor == y.weight_decay_factor &&
           std::ranges::equal(x.tensors, y.tensors,
                              [](const Tensor& t, const Tensor& u) { return t.is_same(u); });
  });
}

}  // namespace

void Optimizer::regroup(std::vector<ParamGroup> groups) {
  if (same_tensors(state_->groups, groups)) return;
  // The old groups keep their tensors alive until the end, so that no new one has an old address.
  Optimizer next(state_->options, std::move(groups));
  auto& known = state_->optimizer->state();
  auto& states = next.state_->optimizer->state();
  std::set<const void*> kept;
  for (const auto& group : next.state_->groups)
    for (const auto& tensor : group.tensors) kept.insert(tensor.unsafeGetTensorImpl());
  for (size_t g = 0; g < next.state_->groups.size(); ++g) {
    const auto& tensors = next.state_->groups[g].tensors;
    for (size_t i = 0; i < tensors.size(); ++i) {
      const Tensor* before = &tensors[i];
      if (!known.count(key_of(known, *before))) {
        if (g >= state_->groups.size() || i >= state_->groups[g].tensors.size()) continue;
        before = &state_->groups[g].tensors[i];
        if (kept.count(before->unsafeGetTensorImpl()) || !more_rows(tensors[i], *before)) continue;
      }
      const auto found = known.find(key_of(known, *before));
      if (found != known.end())
        states[key_of(states, tensors[i])] = grown(*found->second, tensors[i].size(0));
    }
  }
  std::swap(state_, next.state_);
}

Optimizer::~Optimizer() = default;
Optimizer::Optimizer(Optimizer&&) noexcept = default;

void Optimizer::zero_grad() {
  for (auto& group : state_->groups)
    for (auto& tensor : group.tensors) tensor.mutable_grad() = Tensor();
}

void Optimizer::step(double lr) {
  if (state_->options.clip_norm > 0) {
    std::vector<Tensor> all;
    for (const auto& group : state_->groups)
      all.insert(all.end(), group.tensors.begin(), group.tensors.end());
    clip_gradients(all, state_->options.clip_norm);
  }
  auto& groups = state_->optimizer->param_groups();
  for (size_t i = 0; i < groups.size(); ++i)
    groups[i].options().set_lr(lr * state_->groups[i].lr_factor);
  state_->optimizer->step();
  // LibTorch's optimizers write behind the version counters, by which changed weights are told.
  for (auto& group : state_->optimizer->param_groups())
    for (auto& parameter : group.params()) parameter.unsafeGetTensorImpl()->bump_version();
}

std::string Optimizer::state() const {
  torch::serialize::OutputArchive archive;
  state_->optimizer->save(archive);
  std::ostringstream out;
  archive.save_to(out);
  return out.str();
}

void Optimizer::set_state(const std::string& bytes) {
  std::istringstream in(bytes);
  torch::serialize::InputArchive archive;
  try {
    archive.load_from(in);
    state_->optimizer->load(archive);
  } catch (const std::exception& error) {
    fail(ErrorKind::state, "the optimizer's state cannot be read: {}", error.what());
  }
}

}  // namespace patina

// Optimizers and learning-rate schedules. SGD, Adam and AdamW take the same steps as PyTorch's.
// They are implemented here because LibTorch's take a minute to compile, differ between its
// versions and cannot grow with a head. Schedules are closed forms of the epoch, so the epoch is
// all that resuming needs.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "patina/config/fields.h"
#include "patina/tensor.h"

namespace patina {

/// Tensors with the same hyper-parameters. The factors multiply the values of the options, except
/// min_lr.
struct ParamGroup {
  std::vector<Tensor> tensors;
  double lr_factor = 1;
  double weight_decay_factor = 1;
};

struct OptimizerOptions {
  std::string optimizer = "sgd";
  double lr = 0.01;
  double momentum = 0.9;    // sgd
  bool nesterov = false;    // sgd
  double beta1 = 0.9;       // adam, adamw
  double beta2 = 0.999;     // adam, adamw
  bool amsgrad = false;     // adam, adamw
  double weight_decay = 0;  // L2 in the gradient for sgd and adam, decoupled for adamw
  std::string schedule = "cosine";
  double min_lr = 0;                // final rate of the cosine, for every group
  std::vector<int64_t> milestones;  // step: epochs at which lr is multiplied by gamma
  double gamma = 0.1;
  double warmup_epochs = 0;  // linear, from lr/100
  // infinite:
  double cooldown_epochs = 0;  // from lr to constant_lr, after the warm-up
  double constant_lr = 0;      // 0: midway between lr and min_lr
  double anneal_epochs = 0;    // at the end of each task, to min_lr
  std::string anneal = "to_min";
  double clip_norm = 0;  // 0: off

  void bind(Fields& f);
};

class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, std::vector<ParamGroup> groups);
  ~Optimizer();
  Optimizer(Optimizer&&) noexcept;

  /// Replaces the tensors; the number of groups stays the same. A tensor that stays keeps its
  /// state. A tensor that replaces another one in its group and has more rows, such as a grown
  /// head, inherits that state, with zeros for the new rows.
  void regroup(std::vector<ParamGroup> groups);

  /// Replaces the tensors. Those that stay keep their state. New ones begin without moments, but
  /// with the step count of their group, as if they were new rows of one tensor.
  void replace(std::vector<ParamGroup> groups);

  /// The tensors of all groups.
  std::vector<Tensor> tensors() const;

  void zero_grad();
  /// Clips gradients, then takes a step. A group's learning rate is unscaled + (lr - unscaled)
  /// times its factor.
  void step(double lr, double unscaled = 0);

  /// Momentum and moments, for checkpoints. `set_state` expects the same groups and throws
  /// Error(state) if the state does not belong to them.
  std::vector<Tensor> state() const;
  void set_state(const std::vector<Tensor>& kept);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The learning rate at `epoch` (fractional during an epoch) of `epochs`, in task `round` (from 0).
///   cosine: min_lr + (lr - min_lr) (1 + cos(pi (e-w)/(E-w))) / 2, e = floor(epoch), as
///           CosineAnnealingLR stepped once an epoch; it begins after the w epochs of warm-up
///   step:   lr gamma^(milestones reached)
///   quarter_cosine: lr cos(99 pi max(0, e-1) / (200 (E-1))), e = floor(epoch): the first quarter
///           of a cosine, an epoch late, as in CODA-Prompt's code
///   constant: lr
///   rewarm_cosine: that of cosine with e = epoch, so that it falls with every step
///   falling_cosine: the same from a ceiling that falls from task to task,
///           min_lr + (lr - min_lr) (1 + cos(pi i/(i+1))) / 2, i = round (TiC-LM)
///   infinite: of n = round E + epoch, the epochs of the whole stream. After warm-up a cosine from
///           lr to constant_lr over N = cooldown_epochs, then constant_lr; in the last t =
///           anneal_epochs of each task constant_lr (min_lr / constant_lr)^((n-d)/t), where d is
///           the n at which they begin. anneal = "as_printed" has the exponent (n-d)/(t+d).
/// Warm-up overrides all of them while epoch (infinite: n) < warmup_epochs and rises with every
/// step, to lr or to the ceiling.
double learning_rate(const OptimizerOptions& options, double epoch, int64_t epochs,
                     int64_t round = 0);

/// The part of that rate that comes from min_lr, which no group's factor multiplies. Factors
/// multiply the whole of an infinite schedule.
double unscaled_rate(const OptimizerOptions& options, double epoch, int64_t epochs,
                     int64_t round = 0);

/// Whether an infinite schedule anneals at `epoch`.
bool anneals(const OptimizerOptions& options, double epoch, int64_t epochs);

/// Scales gradients so that their joint L2 norm is at most `limit`; returns the original norm.
double clip_gradients(const std::vector<Tensor>& tensors, double limit);

}  // namespace patina

// A LoRA for every task whose input directions are chosen once, outside of what earlier tasks read,
// and stay; only B learns. So a change has no effect on inputs in the subspaces of earlier tasks.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "patina/learners/instruction/lora_per_task.h"

namespace patina {

/// Second moments Σ x xᵀ of what a network's linear layers read, over the tokens of texts.
class InputMoments : public nn::Adaptation {
 public:
  /// Of the layers that the updates change.
  explicit InputMoments(const std::vector<adapt::Lora::Update>& updates);

  /// Padding is left out: mask [B,T] of the next pass; undefined: there is none.
  void set_mask(const Tensor& mask) { mask_ = mask; }
  Tensor after(nn::Site site, int layer, const Tensor& in, Tensor out) override;
  bool acts(nn::Site site) const override;
  /// [D,D] in double, of the layer that the update changes.
  Tensor of(const adapt::Lora::Update& update) const;

 private:
  Tensor mask_;
  std::map<std::pair<int64_t, nn::Site>, Tensor> sums_;  // lower triangles
};

class ConfinedLora : public SummedLoras {
 public:
  ConfinedLora(Setup setup, const adapt::LoraOptions& lora, const AnswerLossOptions& loss);

  /// Chooses the task's directions.
  void begin_task(const Task& task, Trainer& trainer) override;
  /// Adds the directions of the task's inputs to the subspaces that no later task may change.
  void end_task(const Task& task, Trainer& trainer) override;
  void state(Archive& a) override;

 protected:
  using Update = adapt::Lora::Update;

  /// A [r,D] of every update, for a task that is about to be learned.
  virtual std::vector<Tensor> directions(const Task& task, Trainer& trainer) = 0;
  /// The part of the second moment's Σσ² that the subspaces hold once a task is learned.
  virtual double energy(const Task& task) const = 0;

  std::vector<Update> updates() const { return lora()->updates(); }
  /// What no task may change of an update's inputs: orthonormal rows [k,D]; undefined: nothing.
  std::vector<Tensor>& bases() { return bases_; }
  /// With the present model, over a task's samples.
  InputMoments moments(const Task& task, Trainer& trainer) const;

 private:
  std::vector<Tensor> bases_;  // of every update; layers that read the same may share one
};

}  // namespace patina

// A LoRA for every task whose input directions are chosen once, outside of what earlier tasks read,
// and stay; only B learns. So a change has no effect on inputs in the subspaces of earlier tasks.
#pragma once

#include <map>
#include <span>
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

/// Adds the directions of inputs to the subspaces [k,D] of the updates' layers, until each holds
/// the part `energy` of its second moment's Σσ². Undefined: nothing. Layers that read the same, and
/// whose subspaces are one, share the longer one.
void extend_bases(std::vector<Tensor>& bases, const std::vector<adapt::Lora::Update>& updates,
                  const InputMoments& inputs, double energy);

/// What KeepLoRA does to the LoRA of one tower.
class GradientDirections {
 public:
  /// `tower` of the network, whose weights are the pre-trained ones.
  GradientDirections(const Backbone& network, nn::Tower tower,
                     const std::vector<adapt::Lora::Update>& updates);

  /// The main input directions of each pre-trained weight: those that hold the part `energy` of its
  /// Σσ².
  std::vector<Tensor> main(double energy) const;
  /// The weights whose gradients are to be taken, each once.
  const std::vector<nn::NamedTensor>& weights() const { return weights_; }
  /// A of every update: the `rank` leading right singular vectors of G - G MᵀM, with G [out,in] the
  /// gradients of `weights` and M the bases.
  std::vector<Tensor> of(std::span<const Tensor> gradients, const std::vector<Tensor>& bases,
                         int64_t rank) const;

 private:
  Tensor rows_of(const Tensor& weight, size_t update) const;

  nn::BlockShape block_;
  std::vector<adapt::Part> parts_;  // of each update
  std::vector<size_t> weight_of_;   // the same
  std::vector<nn::NamedTensor> weights_;
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

#include "patina/learners/instruction/confined_lora.h"

#include <algorithm>

#include "patina/algebra/linear_algebra.h"
#include "patina/algebra/subspace.h"
#include "patina/base/error.h"
#include "patina/models/linear_layers.h"
#include "patina/ops.h"

namespace patina {

namespace {

nn::Site site_of(adapt::Part part) {
  using adapt::Part;
  switch (part) {
    case Part::q:
    case Part::k:
    case Part::v:
    case Part::qkv:
      return nn::Site::qkv;
    case Part::o:
      return nn::Site::proj;
    case Part::gate:
    case Part::up:
    case Part::fc1:
      return nn::Site::fc1;
    case Part::fc2:
      return nn::Site::fc2;
  }
  return nn::Site::qkv;
}

std::pair<int64_t, nn::Site> place_of(const adapt::Lora::Update& update) {
  return {update.layer, site_of(update.part)};
}

}  // namespace

InputMoments::InputMoments(const std::vector<adapt::Lora::Update>& updates) {
  for (const auto& update : updates) {
    const int64_t width = update.a.size(1);
    Tensor& sum = sums_[place_of(update)];
    if (!sum.defined()) sum = at::zeros({width, width}, update.a.options().dtype(at::kDouble));
  }
}

bool InputMoments::acts(nn::Site site) const {
  return std::ranges::any_of(sums_, [&](const auto& item) { return item.first.second == site; });
}

Tensor InputMoments::after(nn::Site site, int layer, const Tensor& in, Tensor out) {
  const auto sum = sums_.find({layer, site});
  if (sum == sums_.end()) return out;
  Tensor rows = in.detach().flatten(0, 1);
  if (mask_.defined()) {
    PATINA_CHECK(mask_.numel() == rows.size(0), "{} tokens read, {} masked", rows.size(0),
                 mask_.numel());
    rows = rows.index_select(0, mask_.flatten().nonzero().squeeze(1));
  }
  add_lower_product(sum->second, rows.t().contiguous());
  return out;
}

Tensor InputMoments::of(const adapt::Lora::Update& update) const {
  return mirrored(sums_.at(place_of(update)));
}

void extend_bases(std::vector<Tensor>& bases, const std::vector<adapt::Lora::Update>& updates,
                  const InputMoments& inputs, double energy) {
  std::map<std::pair<std::pair<int64_t, nn::Site>, const void*>, Tensor> done;
  for (size_t i = 0; i < updates.size(); ++i) {
    const void* basis = bases[i].defined() ? bases[i].data_ptr() : nullptr;
    Tensor& longer = done[{place_of(updates[i]), basis}];
    if (!longer.defined()) longer = extended_rows(bases[i], inputs.of(updates[i]), energy);
    bases[i] = longer;
  }
}

GradientDirections::GradientDirections(const Backbone& network, nn::Tower tower,
                                       const std::vector<adapt::Lora::Update>& updates)
    : block_(block_of(network, tower)) {
  for (const auto& update : updates) {
    const Tensor weight = layer_weight(network, tower, update.layer, update.part);
    size_t i = 0;
    while (i < weights_.size() && !weights_[i].tensor.is_same(weight)) ++i;
    if (i == weights_.size()) weights_.push_back({"", weight});
    weight_of_.push_back(i);
    parts_.push_back(update.part);
  }
}

Tensor GradientDirections::rows_of(const Tensor& weight, size_t update) const {
  const auto part = adapt::part_shape(parts_[update], block_);
  return weight.detach().slice(0, part.from, part.from + part.rows);
}

std::vector<Tensor> GradientDirections::main(double energy) const {
  std::vector<Tensor> rows;
  for (size_t i = 0; i < parts_.size(); ++i)
    rows.push_back(main_rows(rows_of(weights_[weight_of_[i]].tensor, i), energy));
  return rows;
}

std::vector<Tensor> GradientDirections::of(std::span<const Tensor> gradients,
                                           const std::vector<Tensor>& bases, int64_t rank) const {
  std::vector<Tensor> chosen;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Tensor gradient = rows_of(gradients[weight_of_[i]], i);
    chosen.push_back(
        leading_rows(outside_rows(gradient, bases[i]), rank, gradient.norm().item<double>()));
  }
  return chosen;
}

ConfinedLora::ConfinedLora(Setup setup, const adapt::LoraOptions& lora,
                           const AnswerLossOptions& loss)
    : SummedLoras(setup, lora, loss) {
  freeze_directions();
  bases_.resize(updates().size());
}

void ConfinedLora::begin_task(const Task& task, Trainer& trainer) {
  SummedLoras::begin_task(task, trainer);
  const auto chosen = directions(task, trainer);
  NoGrad no_grad;
  const auto all = updates();
  for (size_t i = 0; i < all.size(); ++i) Tensor(all[i].a).copy_(chosen[i]);
}

InputMoments ConfinedLora::moments(const Task& task, Trainer& trainer) const {
  NoGrad no_grad;
  InputMoments moments(updates());
  trainer.each_batch(*task.train, "inputs of layers", [&](const Batch& batch) {
    moments.set_mask(batch.input.mask);
    nn::Adaptations all = adaptations(batch.input);
    all.add(&moments);
    backbone().tokens(batch.input, all);
  });
  return moments;
}

void ConfinedLora::end_task(const Task& task, Trainer& trainer) {
  extend_bases(bases_, updates(), moments(task, trainer), energy(task));
}

void ConfinedLora::state(Archive& a) {
  SummedLoras::state(a);
  for (size_t i = 0; i < bases_.size(); ++i) a(fmt::format("basis_{}", i), bases_[i]);
}

}  // namespace patina

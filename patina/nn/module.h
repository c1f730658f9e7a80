// Modules: plain structs of named tensors. A module passes its tensors to a Walk under the names
// its checkpoint uses; loading, saving, freezing, counting and optimizing are all walks.
//
//   struct Linear {
//     Tensor weight, bias;
//     void walk(Walk& w) { w("weight", weight); w("bias", bias); }
//   };
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "patina/kernels/stored_weight.h"
#include "patina/place.h"

namespace patina::nn {

/// Visits every tensor of a module with its full dotted name. Undefined tensors, such as a disabled
/// bias, are skipped.
class Walk {
 public:
  using Visit = std::function<void(const std::string& name, Tensor& tensor)>;
  explicit Walk(Visit visit) : visit_(std::move(visit)) {}

  void operator()(std::string_view name, Tensor& tensor);

  /// Visits a running statistic: a tensor that the network updates from its inputs, without
  /// gradients.
  void statistic(std::string_view name, Tensor& tensor);
  /// Whether the tensor being visited is a running statistic.
  bool at_statistic() const { return at_statistic_; }

  /// Visits the weight of a layer, whose tensor is of this form.
  void operator()(std::string_view name, Tensor& tensor, kernels::WeightForm& form);
  /// The form of the weight being visited; null for tensors that are always floats.
  kernels::WeightForm* form() const { return form_; }

  template <class Module>
  void operator()(std::string_view name, Module& module) {
    const size_t length = prefix_.size();
    prefix_.append(name).append(".");
    module.walk(*this);
    prefix_.resize(length);
  }
  template <class Module>
  void operator()(std::string_view name, std::vector<Module>& modules) {
    for (size_t i = 0; i < modules.size(); ++i)
      (*this)(std::string(name) + "." + std::to_string(i), modules[i]);
  }

 private:
  Visit visit_;
  std::string prefix_;
  bool at_statistic_ = false;
  kernels::WeightForm* form_ = nullptr;
};

struct NamedTensor {
  std::string name;
  Tensor tensor;        // shares storage with the module's
  bool learned = true;  // not a statistic
  kernels::WeightForm form = {};

  /// The tensor as floats: itself, or a new one where it is stored in another form.
  Tensor floats() const {
    return form.stored() ? kernels::StoredWeight{tensor, form}.floats() : tensor;
  }
  int64_t numbers() const { return form.stored() ? form.numbers() : tensor.numel(); }
};

/// All tensors of a module, in walking order.
template <class Module>
std::vector<NamedTensor> tensors(Module& module) {
  std::vector<NamedTensor> found;
  Walk walk([&](const std::string& name, Tensor& tensor) {
    found.push_back(
        {name, tensor, !walk.at_statistic(), walk.form() ? *walk.form() : kernels::WeightForm{}});
  });
  module.walk(walk);
  return found;
}

/// The tensors that require gradients.
template <class Module>
std::vector<NamedTensor> trainable(Module& module) {
  std::vector<NamedTensor> found;
  for (auto& item : tensors(module))
    if (item.tensor.requires_grad()) found.push_back(item);
  return found;
}

/// Sets whether a tensor requires gradients. Throws Error(recipe) for a weight that cannot, as it
/// is not stored as floats.
void set_frozen(NamedTensor& item, bool frozen);

/// Sets whether the learned tensors of a module require gradients.
template <class Module>
void freeze(Module& module, bool frozen = true) {
  for (auto& item : tensors(module))
    if (item.learned) set_frozen(item, frozen);
}

/// Makes floats of all weights of a module that are stored in another form.
template <class Module>
void store_as_floats(Module& module) {
  Walk walk([&](const std::string&, Tensor& tensor) {
    if (!walk.form() || !walk.form()->stored()) return;
    tensor = kernels::StoredWeight{tensor, *walk.form()}.floats();
    *walk.form() = {};
  });
  module.walk(walk);
}

/// A deep copy of a module; tensors require gradients as the originals do.
template <class Module>
std::unique_ptr<Module> copy_of(const Module& module) {
  auto copy = std::make_unique<Module>(module);
  Walk walk([](const std::string&, Tensor& tensor) {
    tensor = tensor.detach().clone().requires_grad_(tensor.requires_grad());
  });
  copy->walk(walk);
  return copy;
}

/// The tensor moved to a place; it requires gradients as the original does. Returns the tensor
/// itself if it is already there.
Tensor brought(const Tensor& tensor, const Place& place);

/// Moves every tensor of a module to a place.
template <class Module>
void bring(Module& module, const Place& place) {
  Walk walk([&](const std::string&, Tensor& tensor) { tensor = brought(tensor, place); });
  module.walk(walk);
}

int64_t count(const std::vector<NamedTensor>& tensors);  // how many numbers
int64_t bytes(const std::vector<NamedTensor>& tensors);

}  // namespace patina::nn

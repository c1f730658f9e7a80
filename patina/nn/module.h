// Modules: plain structs of named tensors. A module shows its tensors to a Walk under the names its
// checkpoint uses; loading, saving, freezing, counting and optimizing are all walks.
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

#include "patina/tensor.h"

namespace patina::nn {

/// Visits every tensor of a module with its full dotted name. An undefined tensor (a bias that is
/// switched off) is not visited.
class Walk {
 public:
  using Visit = std::function<void(const std::string& name, Tensor& tensor)>;
  explicit Walk(Visit visit) : visit_(std::move(visit)) {}

  void operator()(std::string_view name, Tensor& tensor);

  /// A tensor that the network keeps about its inputs, and no gradient moves.
  void statistic(std::string_view name, Tensor& tensor);
  /// Whether the tensor being visited is one.
  bool at_statistic() const { return at_statistic_; }

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
};

struct NamedTensor {
  std::string name;
  Tensor tensor;        // shares storage with the module's
  bool learned = true;  // not a statistic
};

/// Every tensor of a module, in walking order.
template <class Module>
std::vector<NamedTensor> tensors(Module& module) {
  std::vector<NamedTensor> found;
  Walk walk([&](const std::string& name, Tensor& tensor) {
    found.push_back({name, tensor, !walk.at_statistic()});
  });
  module.walk(walk);
  return found;
}

/// Those that take gradients.
template <class Module>
std::vector<NamedTensor> trainable(Module& module) {
  std::vector<NamedTensor> found;
  for (auto& item : tensors(module))
    if (item.tensor.requires_grad()) found.push_back(item);
  return found;
}

/// Switches gradients of everything learned in a module off or on.
template <class Module>
void freeze(Module& module, bool frozen = true) {
  for (auto& item : tensors(module))
    if (item.learned) item.tensor.requires_grad_(!frozen);
}

/// A module with tensors of its own, as frozen or not as the original's.
template <class Module>
std::unique_ptr<Module> copy_of(const Module& module) {
  auto copy = std::make_unique<Module>(module);
  Walk walk([](const std::string&, Tensor& tensor) {
    tensor = tensor.detach().clone().requires_grad_(tensor.requires_grad());
  });
  copy->walk(walk);
  return copy;
}

int64_t count(const std::vector<NamedTensor>& tensors);  // elements
int64_t bytes(const std::vector<NamedTensor>& tensors);

}  // namespace patina::nn

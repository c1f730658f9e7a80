#include "patina/nn/module.h"

#include "patina/base/error.h"

namespace patina::nn {

void Walk::operator()(std::string_view name, Tensor& tensor) {
  if (tensor.defined()) visit_(prefix_ + std::string(name), tensor);
}

void Walk::statistic(std::string_view name, Tensor& tensor) {
  at_statistic_ = true;
  (*this)(name, tensor);
  at_statistic_ = false;
}

void Walk::operator()(std::string_view name, Tensor& tensor, kernels::WeightForm& form) {
  form_ = &form;
  (*this)(name, tensor);
  form_ = nullptr;
}

void set_frozen(NamedTensor& item, bool frozen) {
  if (!frozen && item.form.stored())
    fail(ErrorKind::recipe,
         "{} is stored as {} and cannot be trained: set model.form = \"fp32\", or use a learner "
         "that leaves the network as it is, such as one of LoRA's",
         item.name, item.form.text());
  item.tensor.requires_grad_(!frozen);
}

Tensor brought(const Tensor& tensor, const Place& place) {
  const auto type = tensor.is_floating_point() ? place.dtype : tensor.scalar_type();
  if (tensor.device() == place.device && tensor.scalar_type() == type) return tensor;
  return tensor.detach().to(place.device, type).requires_grad_(tensor.requires_grad());
}

int64_t count(const std::vector<NamedTensor>& tensors) {
  int64_t total = 0;
  for (const auto& item : tensors) total += item.numbers();
  return total;
}

int64_t bytes(const std::vector<NamedTensor>& tensors) {
  int64_t total = 0;
  for (const auto& item : tensors) total += item.tensor.nbytes();
  return total;
}

}  // namespace patina::nn

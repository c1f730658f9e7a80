#include "patina/nn/module.h"

namespace patina::nn {

void Walk::operator()(std::string_view name, Tensor& tensor) {
  if (tensor.defined()) visit_(prefix_ + std::string(name), tensor);
}

void Walk::statistic(std::string_view name, Tensor& tensor) {
  at_statistic_ = true;
  (*this)(name, tensor);
  at_statistic_ = false;
}

int64_t count(const std::vector<NamedTensor>& tensors) {
  int64_t total = 0;
  for (const auto& item : tensors) total += item.tensor.numel();
  return total;
}

int64_t bytes(const std::vector<NamedTensor>& tensors) {
  int64_t total = 0;
  for (const auto& item : tensors) total += item.tensor.nbytes();
  return total;
}

}  // namespace patina::nn

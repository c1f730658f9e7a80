#include "patina/nn/tensors_hash.h"

namespace patina::nn {

TensorsHash& TensorsHash::operator=(const TensorsHash&) {
  std::lock_guard lock(mutex_);
  tensors_.clear();
  versions_.clear();
  hash_.clear();
  return *this;
}

std::string TensorsHash::operator()(const std::vector<NamedTensor>& tensors,
                                    const std::function<std::string()>& make) {
  std::lock_guard lock(mutex_);
  bool same = !hash_.empty() && tensors.size() == tensors_.size();
  for (size_t i = 0; same && i < tensors.size(); ++i)
    same = tensors[i].tensor.is_same(tensors_[i]) &&
           int64_t(tensors[i].tensor._version()) == versions_[i];
  if (same) return hash_;
  tensors_.clear();
  versions_.clear();
  for (const auto& item : tensors) {
    tensors_.push_back(item.tensor);
    versions_.push_back(int64_t(item.tensor._version()));
  }
  return hash_ = make();
}

}  // namespace patina::nn

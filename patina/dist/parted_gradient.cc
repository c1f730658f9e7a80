#include "patina/dist/parted_gradient.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "patina/base/error.h"
#include "patina/ops.h"
#include "patina/optim/gradients.h"

namespace patina {

PartedGradient::PartedGradient(std::vector<Tensor> tensors, int64_t parts, Workers* workers,
                               bool fast)
    : tensors_(std::move(tensors)),
      parts_(parts),
      workers_(workers),
      own_(workers ? share_of(parts, workers->rank(), workers->size()) : Share{0, parts}),
      fast_(fast),
      sum_(parts, own_.first),
      reached_(tensors_.size(), 0.0) {}

void PartedGradient::add(double loss) {
  NoGrad no_grad;
  losses_.push_back(loss);
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (tensors_[i].grad().defined()) reached_[i] = 1;
  if (!tensors_.empty()) {
    const Tensor flat = flat_gradients(tensors_);
    if (!fast_)
      sum_.add(flat);
    else if (in_turn_.defined())
      in_turn_.add_(flat);
    else
      in_turn_ = flat;
  }
  for (auto& tensor : tensors_) tensor.mutable_grad() = Tensor();
}

double PartedGradient::finish() {
  NoGrad no_grad;
  PATINA_CHECK(int64_t(losses_.size()) == own_.size(), "a part was left out");
  if (workers_) exchange_reports();
  if (!tensors_.empty()) set_gradients(tensors_, summed());
  for (size_t i = 0; i < tensors_.size(); ++i)
    if (reached_[i] == 0) tensors_[i].mutable_grad() = Tensor();
  return std::accumulate(losses_.begin(), losses_.end(), 0.0);
}

Tensor PartedGradient::summed() {
  if (!workers_) return fast_ ? in_turn_ : sum_.nodes()[0].sum;
  int64_t numbers = 0;
  for (const auto& tensor : tensors_) numbers += tensor.numel();
  const Tensor like = at::zeros({numbers}, tensors_[0].options());
  if (!fast_) return total(*workers_, sum_, parts_, like);
  Tensor sum = in_turn_.defined() ? in_turn_ : like;  // a worker may have no part
  workers_->add_up(sum);
  return sum;
}

// Losses in the order of parts, and which parameters any worker's parts reached.
void PartedGradient::exchange_reports() {
  int64_t most = 0;
  for (int rank = 0; rank < workers_->size(); ++rank)
    most = std::max(most, share_of(parts_, rank, workers_->size()).size());
  Tensor report = at::zeros({most + int64_t(reached_.size())}, at::kDouble);
  double* numbers = report.data_ptr<double>();
  std::ranges::copy(losses_, numbers);
  std::ranges::copy(reached_, numbers + most);
  losses_.clear();
  const Tensor reports = workers_->gather(report);
  for (int rank = 0; rank < workers_->size(); ++rank) {
    const double* its = reports.data_ptr<double>() + rank * report.numel();
    const int64_t parts = share_of(parts_, rank, workers_->size()).size();
    losses_.insert(losses_.end(), its, its + parts);
    for (size_t i = 0; i < reached_.size(); ++i)
      reached_[i] = std::max(reached_[i], its[most + int64_t(i)]);
  }
}

}  // namespace patina

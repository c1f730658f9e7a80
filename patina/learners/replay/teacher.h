// The network before the current task, as a teacher for distillation.
#pragma once

#include <memory>

#include "patina/checkpoint/archive.h"
#include "patina/models/backbone.h"
#include "patina/nn/heads.h"

namespace patina {

/// A frozen copy of a network and its head; empty until the copy is made.
template <class Head>
class TeacherWith {
 public:
  explicit operator bool() const { return network_ != nullptr; }
  void take(const Backbone& network, const Head& head) {
    network_ = network.clone();
    nn::freeze(*network_);
    head_ = *nn::copy_of(head);
    nn::freeze(head_);
  }
  void release() { network_.reset(); }
  const Backbone& network() const { return *network_; }
  const Head& head() const { return head_; }
  /// Scores over the classes known then, without a graph: [B,K_before].
  Tensor operator()(const Input& input) const {
    NoGrad no_grad;
    return head_(network_->features(input));
  }
  /// `network` and `head` provide the structure when a state is loaded.
  void state(Archive& a, const Backbone& network, const Head& head) {
    bool taken = bool(*this);
    a("teacher.taken", taken);
    if (!taken) return release();
    if (a.loading()) take(network, head);
    a("teacher.network", *network_);
    a("teacher.head", head_);
  }

 private:
  std::unique_ptr<Backbone> network_;
  Head head_;
};

using Teacher = TeacherWith<nn::LinearHead>;

}  // namespace patina

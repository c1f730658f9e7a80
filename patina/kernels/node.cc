#include "patina/kernels/node.h"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

#include "patina/base/error.h"

namespace patina::kernels {

namespace autograd = torch::autograd;

class GraphNode : public autograd::Node {
 public:
  GraphNode(const Tensors& inputs, std::unique_ptr<Backward> backward)
      : autograd::Node(autograd::collect_next_edges(inputs)), backward_(std::move(backward)) {
    backward_->graph_ = this;
  }

 private:
  autograd::variable_list apply(autograd::variable_list&& grads) override {
    PATINA_CHECK(backward_, "backward twice through an operation that keeps nothing for it");
    if (!grads[0].defined()) return autograd::variable_list(num_outputs());
    NoGrad no_grad;
    return backward_->gradients(grads[0]);
  }
  // Called when backward is done: frees what the forward pass kept.
  void release_variables() override { backward_.reset(); }

  std::unique_ptr<Backward> backward_;
};

namespace {

// LibTorch 1.13 holds its nodes by shared_ptr, later versions by an intrusive pointer.
template <class N>
requires std::is_base_of_v<c10::intrusive_ptr_target, N> c10::intrusive_ptr<N> made(
    const Tensors& inputs, std::unique_ptr<Backward> backward) {
  return c10::make_intrusive<N>(inputs, std::move(backward));
}
template <class N>
std::shared_ptr<N> made(const Tensors& inputs, std::unique_ptr<Backward> backward) {
  return {new N(inputs, std::move(backward)), [](N* node) { deleteNode(node); }};
}

}  // namespace

bool Backward::wanted(int i) const {
  return static_cast<const GraphNode*>(graph_)->should_compute_output(size_t(i));
}

void record(Tensor& y, const Tensors& inputs, std::unique_ptr<Backward> backward) {
  autograd::set_history(y, made<GraphNode>(inputs, std::move(backward)));
}

}  // namespace patina::kernels

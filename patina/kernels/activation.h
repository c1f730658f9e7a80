// The activation functions that may follow a matrix product. instructions/activations.h computes
// them.
#pragma once

namespace patina {

enum class Activation {
  none,
  gelu,        // exact: x Φ(x)
  gelu_tanh,   // the tanh approximation of GELU: GPT-2's "gelu_new", T5 1.1
  quick_gelu,  // x σ(1.702 x): OpenAI's CLIP
  relu,
  silu,
  tanh,
};

namespace kernels {

/// Calls `f` with the activation as a compile-time constant.
template <class F>
void with_activation(Activation activation, F&& f) {
  switch (activation) {
    case Activation::none:
      return f.template operator()<Activation::none>();
    case Activation::gelu:
      return f.template operator()<Activation::gelu>();
    case Activation::gelu_tanh:
      return f.template operator()<Activation::gelu_tanh>();
    case Activation::quick_gelu:
      return f.template operator()<Activation::quick_gelu>();
    case Activation::relu:
      return f.template operator()<Activation::relu>();
    case Activation::silu:
      return f.template operator()<Activation::silu>();
    case Activation::tanh:
      return f.template operator()<Activation::tanh>();
  }
}

}  // namespace kernels
}  // namespace patina

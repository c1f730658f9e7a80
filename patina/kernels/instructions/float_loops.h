// The fp32 loops and their table. Each instruction set's source includes this between its target
// pragmas, inside namespace patina::kernels.
#pragma once

#include "patina/kernels/instructions/vectors.h"

#include "patina/kernels/instructions/activations.h"
#include "patina/kernels/instructions/attention_loops.h"
#include "patina/kernels/instructions/pack_loops.h"
#include "patina/kernels/instructions/product_loop.h"
#include "patina/kernels/instructions/row_loops.h"
#include "patina/kernels/instructions/strip_loop.h"

namespace {

template <class Shape>
constexpr FloatKernels float_kernels() {
  return {product_of_floats<Shape>, pack_strips, RowLoops<float>::table(), kAttention<float>};
}

}  // namespace

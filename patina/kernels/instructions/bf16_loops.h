// The bf16 loops and their table. Each instruction set's source includes this between its target
// pragmas, inside namespace patina::kernels.
#pragma once

#include "patina/kernels/instructions/vectors.h"

#include "patina/kernels/instructions/activations.h"
#include "patina/kernels/instructions/attention_loops.h"
#include "patina/kernels/instructions/pack_loops.h"
#include "patina/kernels/instructions/product_loop.h"
#include "patina/kernels/instructions/row_loops.h"

namespace {

constexpr Bf16Kernels bf16_kernels() {
  return {pack_matrix<bf16>, pack_matrix<float>,      unpack_transposed,
          transpose_block,   RowLoops<bf16>::table(), kAttention<bf16>};
}

}  // namespace

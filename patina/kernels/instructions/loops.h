// All loops that become vector code of an instruction set, and the table of what they do. Included
// by each set's source between its target pragmas and inside namespace patina::kernels.
#pragma once

#include "patina/kernels/instructions/vectors.h"

#include "patina/kernels/instructions/attention_loops.h"
#include "patina/kernels/instructions/pack_loops.h"
#include "patina/kernels/instructions/product_loop.h"
#include "patina/kernels/instructions/row_loops.h"
#include "patina/kernels/instructions/strip_loop.h"

namespace {

// So many `lanes` a register has, and so many `rows` times 32 columns have their sums in registers,
// in fp32.
template <auto begin, auto block, auto product, int lanes, int rows>
constexpr Instructions table() {
  return {begin,
          block,
          product,
          product_of_floats<lanes, rows>,
          RowLoops<float>::table(),
          RowLoops<bf16>::table(),
          pack_matrix<bf16>,
          pack_matrix<float>,
          pack_strips,
          unpack_transposed,
          transpose_block,
          kAttention<bf16>,
          kAttention<float>};
}

}  // namespace

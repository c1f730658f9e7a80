// All loops that become vector code of an instruction set, and the table of what they do. Included
// by each set's source between its target pragmas and inside namespace patina::kernels.
#pragma once

#include "patina/kernels/instructions/vectors.h"

#include "patina/kernels/instructions/attention_loops.h"
#include "patina/kernels/instructions/pack_loops.h"
#include "patina/kernels/instructions/product_loop.h"
#include "patina/kernels/instructions/row_loops.h"

namespace {

template <auto begin, auto block, auto product>
constexpr Instructions table() {
  return {begin,
          block,
          product,
          RowLoops<float>::table(),
          RowLoops<bf16>::table(),
          pack_matrix<bf16>,
          pack_matrix<float>,
          unpack_transposed,
          kAttention};
}

}  // namespace

// The kernels that OpenBLAS chooses.
#pragma once

namespace patina::cli {

/// OpenBLAS picks kernels by the processor's model, and falls back to those of 2004 on one that is
/// newer than itself (measured: 4.5 times slower). Where that has happened on a processor with
/// AVX2, starts the program again with OPENBLAS_CORETYPE set by what the processor can do; a value
/// that the user set stays. Does nothing where LibTorch has another BLAS.
void settle_blas(char** argv);

}  // namespace patina::cli

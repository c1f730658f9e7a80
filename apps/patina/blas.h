// Corrects OpenBLAS's choice of kernels.
#pragma once

namespace patina::cli {

/// OpenBLAS selects kernels by the processor's model, and uses those of 2004 for models it does not
/// know (measured: 4.5 times slower). If that happened on a processor with AVX2, restarts the
/// program with OPENBLAS_CORETYPE set by the processor's features. A value set by the user is kept.
/// Does nothing if LibTorch uses another BLAS.
void settle_blas(char** argv);

}  // namespace patina::cli

// Settings that libraries read from the environment when they are loaded.
#pragma once

namespace patina::cli {

/// OpenBLAS picks kernels by the processor's model, and falls back to those of 2004 on one that is
/// newer than itself (measured: 4.5 times slower). Where that has happened on a processor with
/// AVX2, starts the program again with OPENBLAS_CORETYPE set by what the processor can do. A value
/// that the user set stays. Returns where nothing has to change.
void settle_environment(char** argv);

}  // namespace patina::cli

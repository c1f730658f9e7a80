// Settings that libraries read from the environment when they are loaded.
#pragma once

namespace patina::cli {

/// Starts the program again where one of these has to change first; a value that the user set
/// stays.
///
/// GOMP_SPINCOUNT: little, so that threads that wait for longer sleep and leave the cores to
/// others.
///
/// OPENBLAS_CORETYPE: OpenBLAS picks kernels by the processor's model, and falls back to those of
/// 2004 on one that is newer than itself (measured: 4.5 times slower). Where that has happened on a
/// processor with AVX2, the variable is set by what the processor can do.
void settle_environment(char** argv);

}  // namespace patina::cli

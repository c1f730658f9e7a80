// Which instruction sets of this processor the kernels use.
#pragma once

#include <string_view>

namespace patina::kernels {

enum class Isa { portable, avx2, avx512, avx512_bf16, amx };

/// The best instruction set that works here, determined once. AMX needs a permission of the
/// operating system, which is requested. The environment variable PATINA_ISA ("portable", "avx2",
/// ...) selects a lower one.
Isa isa();
std::string_view name(Isa isa);

/// Whether bf16 is faster than fp32: with AMX, and with AVX512-BF16 on AMD processors, which do
/// twice as many multiply-adds in bf16. Intel processors without AMX do as many as in fp32, and
/// processors without either emulate bf16.
bool bf16_is_faster();

}  // namespace patina::kernels

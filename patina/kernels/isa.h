// What this processor's cores can do, as far as kernels differ by it.
#pragma once

#include <string_view>

namespace patina::kernels {

enum class Isa { portable, avx2, avx512, avx512_bf16, amx };

/// The best that works here, asked once. AMX needs the system's permission, which is requested.
/// The environment variable PATINA_ISA ("portable", "avx2", ...) lowers it.
Isa isa();
std::string_view name(Isa isa);

/// Whether bf16 takes less time than fp32: with AMX, and with AVX512-BF16 on AMD's processors,
/// which make twice as many multiply-adds in bf16. Intel's make as many, and without either bf16 is
/// taken apart.
bool bf16_is_faster();

}  // namespace patina::kernels

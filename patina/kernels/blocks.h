// Numbers stored in blocks: small whole numbers with a common scale, as ggml and GGUF files have
// them. Layouts: ggml-common.h of ggml.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace patina::kernels {

/// How the numbers of a tensor are stored; the values are those of GGUF files.
enum class BlockType : uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q4_1 = 3,
  q5_0 = 6,
  q5_1 = 7,
  q8_0 = 8,
  q2_k = 10,
  q3_k = 11,
  q4_k = 12,
  q5_k = 13,
  q6_k = 14,
  bf16 = 30,
};

/// A block: consecutive numbers of a row that are stored together. Single numbers are blocks of
/// one.
struct BlockFormat {
  BlockType type;
  std::string_view name;  // "Q4_K", as llama.cpp writes it
  int64_t numbers;        // per block
  int64_t bytes;          // per block
};

/// The format of a type; null if it is not known.
const BlockFormat* block_format(uint32_t type);
const BlockFormat& block_format(BlockType type);
/// The name of a type, supported or not, for messages; "number 99" if it is unknown.
std::string block_type_name(uint32_t type);
/// "F32, F16, Q4_0, ...": all supported types.
std::string block_type_names();

/// Writes the numbers of whole blocks as floats, bit for bit those of gguf-py's `dequantize`.
/// `blocks` must hold exactly the blocks of `numbers.size()` numbers.
void dequantize(BlockType type, std::span<const uint8_t> blocks, std::span<float> numbers);

}  // namespace patina::kernels

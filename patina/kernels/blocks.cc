// Compiled without contraction: a fused multiply-add would round differently from ggml's reference.
#include "patina/kernels/blocks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "patina/base/error.h"

namespace patina::kernels {

#include "patina/kernels/instructions/block_loops.h"

namespace {

constexpr std::array<BlockFormat, 13> kBlocks{{
    {BlockType::f32, "F32", 1, 4},
    {BlockType::f16, "F16", 1, 2},
    {BlockType::q4_0, "Q4_0", kSmall, 18},
    {BlockType::q4_1, "Q4_1", kSmall, 20},
    {BlockType::q5_0, "Q5_0", kSmall, 22},
    {BlockType::q5_1, "Q5_1", kSmall, 24},
    {BlockType::q8_0, "Q8_0", kSmall, 34},
    {BlockType::q2_k, "Q2_K", kLarge, 84},
    {BlockType::q3_k, "Q3_K", kLarge, 110},
    {BlockType::q4_k, "Q4_K", kLarge, 144},
    {BlockType::q5_k, "Q5_K", kLarge, 176},
    {BlockType::q6_k, "Q6_K", kLarge, 210},
    {BlockType::bf16, "BF16", 1, 2},
}};

// Types that exist but are not supported.
constexpr std::array<std::pair<uint32_t, std::string_view>, 20> kOthers{{
    {9, "Q8_1"},   {15, "Q8_K"},   {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"},
    {19, "IQ1_S"}, {20, "IQ4_NL"}, {21, "IQ3_S"},   {22, "IQ2_S"},  {23, "IQ4_XS"},
    {24, "I8"},    {25, "I16"},    {26, "I32"},     {27, "I64"},    {28, "F64"},
    {29, "IQ1_M"}, {34, "TQ1_0"},  {35, "TQ2_0"},   {39, "MXFP4"},  {40, "NVFP4"},
}};

}  // namespace

const BlockFormat* block_format(uint32_t type) {
  const auto at = std::ranges::find_if(
      kBlocks, [&](const BlockFormat& block) { return uint32_t(block.type) == type; });
  return at == kBlocks.end() ? nullptr : &*at;
}

const BlockFormat& block_format(BlockType type) {
  const BlockFormat* block = block_format(uint32_t(type));
  PATINA_REQUIRE(block, "no such type: {}", uint32_t(type));
  return *block;
}

std::string block_type_name(uint32_t type) {
  if (const BlockFormat* block = block_format(type)) return std::string(block->name);
  for (const auto& [number, name] : kOthers)
    if (number == type) return std::string(name);
  return fmt::format("number {}", type);
}

std::string block_type_names() {
  std::string names;
  for (const auto& block : kBlocks) names += (names.empty() ? "" : ", ") + std::string(block.name);
  return names;
}

void dequantize(BlockType type, std::span<const uint8_t> blocks, std::span<float> numbers) {
  const BlockFormat& block = block_format(type);
  const auto count = int64_t(numbers.size()) / block.numbers;
  PATINA_REQUIRE(count * block.numbers == int64_t(numbers.size()) &&
                     count * block.bytes == int64_t(blocks.size()),
                 "{} numbers in {} bytes are not whole blocks of {}", numbers.size(), blocks.size(),
                 block.name);
  unpack_blocks(type, blocks.data(), count, numbers.data());
}

}  // namespace patina::kernels

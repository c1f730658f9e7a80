// Compiled without contraction: a fused multiply-add would round differently from ggml's reference.
#include "patina/kernels/blocks.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "patina/base/error.h"

namespace patina::kernels {

namespace {

constexpr int64_t kSmall = 32, kLarge = 256;  // numbers of a block, of a K block

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

template <class T>
T read(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// An IEEE half as a float, subnormals, infinities and NaN included.
float half(const uint8_t* from) {
  const uint32_t bits = read<uint16_t>(from), sign = (bits & 0x8000u) << 16,
                 exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent > 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float small = float(mantissa) * 0x1p-24f;
  return sign ? -small : small;
}

// Number i of 32 in 16 bytes: the low nibbles come first.
int nibble(const uint8_t* qs, int64_t i) {
  return i < 16 ? qs[i] & 15 : qs[i - 16] >> 4;
}

void q4_0(const uint8_t* block, float* out) {
  const float d = half(block);
  for (int64_t i = 0; i < kSmall; ++i) out[i] = d * float(nibble(block + 2, i) - 8);
}

void q4_1(const uint8_t* block, float* out) {
  const float d = half(block), low = half(block + 2);
  for (int64_t i = 0; i < kSmall; ++i) out[i] = d * float(nibble(block + 4, i)) + low;
}

// Number i of 32 with five bits: the fifth bits are in the four bytes before the nibbles.
int five_bits(const uint8_t* high, int64_t i) {
  return nibble(high + 4, i) | int(read<uint32_t>(high) >> i & 1) << 4;
}

void q5_0(const uint8_t* block, float* out) {
  const float d = half(block);
  for (int64_t i = 0; i < kSmall; ++i) out[i] = d * float(five_bits(block + 2, i) - 16);
}

void q5_1(const uint8_t* block, float* out) {
  const float d = half(block), low = half(block + 2);
  for (int64_t i = 0; i < kSmall; ++i) out[i] = d * float(five_bits(block + 4, i)) + low;
}

void q8_0(const uint8_t* block, float* out) {
  const float d = half(block);
  for (int64_t i = 0; i < kSmall; ++i) out[i] = float(int8_t(block[2 + i])) * d;
}

// Two bits a number; a scale and a minimum of four bits for every 16.
void q2_k(const uint8_t* block, float* out) {
  const uint8_t *scales = block, *qs = block + 16;
  const float d = half(block + 80), least = half(block + 82);
  for (int64_t i = 0; i < kLarge; ++i) {
    const int64_t byte = i / 128 * 32 + i % 32, shift = i % 128 / 32 * 2;
    const float scale = d * float(scales[i / 16] & 15), low = least * float(scales[i / 16] >> 4);
    out[i] = scale * float(qs[byte] >> shift & 3) - low;
  }
}

// Three bits a number, the third inverted in a mask; a signed scale of six bits for every 16.
void q3_k(const uint8_t* block, float* out) {
  const uint8_t *mask = block, *qs = block + 32, *packed = block + 96;
  const float d = half(block + 108);
  for (int64_t i = 0; i < kLarge; ++i) {
    const int64_t byte = i / 128 * 32 + i % 32, shift = i % 128 / 32 * 2, group = i / 16;
    const int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
    const int high = packed[8 + group % 4] >> group / 4 * 2 & 3;
    const float scale = d * float((low | high << 4) - 32);
    const int third = mask[i % 32] >> i / 32 & 1;
    out[i] = scale * float((qs[byte] >> shift & 3) - (third ? 0 : 4));
  }
}

// The scale and the minimum, six bits each, of group b of 32 numbers.
struct ScaleAndMinimum {
  int scale, minimum;
};
ScaleAndMinimum six_bits(const uint8_t* s, int64_t b) {
  if (b < 4) return {s[b] & 63, s[b + 4] & 63};
  return {(s[b + 4] & 15) | (s[b - 4] >> 6) << 4, (s[b + 4] >> 4) | (s[b] >> 6) << 4};
}

// Numbers of four bits, or of five with the fifth in `high`, with scale and minimum for every 32.
void with_minimum(const uint8_t* block, const uint8_t* high, const uint8_t* qs, float* out) {
  const float d = half(block), least = half(block + 2);
  for (int64_t b = 0; b < 8; ++b) {
    const auto [s, m] = six_bits(block + 4, b);
    const float scale = d * float(s), low = least * float(m);
    for (int64_t i = 0; i < 32; ++i) {
      const uint8_t byte = qs[b / 2 * 32 + i];
      const int q = (b % 2 ? byte >> 4 : byte & 15) | (high ? high[i] >> b & 1 : 0) << 4;
      out[b * 32 + i] = scale * float(q) - low;
    }
  }
}

void q4_k(const uint8_t* block, float* out) {
  with_minimum(block, nullptr, block + 16, out);
}

void q5_k(const uint8_t* block, float* out) {
  with_minimum(block, block + 16, block + 48, out);
}

// Six bits a number; a signed scale of eight bits for every 16.
void q6_k(const uint8_t* block, float* out) {
  const uint8_t *low = block, *high = block + 128, *scales = block + 192;
  const float d = half(block + 208);
  for (int64_t i = 0; i < kLarge; ++i) {
    const int64_t part = i / 128, within = i % 128;
    const uint8_t four = low[part * 64 + within % 64];
    const int two = high[part * 32 + within % 32] >> within / 32 * 2 & 3;
    const int q = (within < 64 ? four & 15 : four >> 4) | two << 4;
    out[i] = d * float(int8_t(scales[i / 16])) * float(q - 32);
  }
}

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
  const auto each = [&](auto unpack) {
    for (int64_t i = 0; i < count; ++i)
      unpack(blocks.data() + i * block.bytes, numbers.data() + i * block.numbers);
  };
  switch (type) {
    case BlockType::f32:
      return each([](const uint8_t* x, float* y) { *y = read<float>(x); });
    case BlockType::f16:
      return each([](const uint8_t* x, float* y) { *y = half(x); });
    case BlockType::bf16:
      return each([](const uint8_t* x, float* y) {
        *y = std::bit_cast<float>(uint32_t{read<uint16_t>(x)} << 16);
      });
    case BlockType::q4_0:
      return each(q4_0);
    case BlockType::q4_1:
      return each(q4_1);
    case BlockType::q5_0:
      return each(q5_0);
    case BlockType::q5_1:
      return each(q5_1);
    case BlockType::q8_0:
      return each(q8_0);
    case BlockType::q2_k:
      return each(q2_k);
    case BlockType::q3_k:
      return each(q3_k);
    case BlockType::q4_k:
      return each(q4_k);
    case BlockType::q5_k:
      return each(q5_k);
    case BlockType::q6_k:
      return each(q6_k);
  }
}

}  // namespace patina::kernels

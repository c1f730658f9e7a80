// Numbers of blocks as floats: the same loops for every instruction set. Each source includes this
// between its target pragmas, inside namespace patina::kernels, and is compiled without
// contraction: a fused multiply-add would round differently from ggml's reference.
#pragma once

namespace {

inline constexpr int64_t kSmall = 32, kLarge = 256;  // numbers of a block, of a K block

template <class T>
inline T read(const uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

// An IEEE half as a float, subnormals, infinities and NaN included.
inline float half(const uint8_t* from) {
  const uint32_t bits = read<uint16_t>(from), sign = (bits & 0x8000u) << 16,
                 exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | mantissa << 13);
  if (exponent > 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float small = float(mantissa) * 0x1p-24f;
  return sign ? -small : small;
}

// 32 numbers in 16 bytes, the low nibbles first.

inline void q4_0(const uint8_t* __restrict block, float* __restrict out) {
  const float d = half(block);
  const uint8_t* qs = block + 2;
  for (int i = 0; i < 16; ++i) out[i] = d * float((qs[i] & 15) - 8);
  for (int i = 0; i < 16; ++i) out[16 + i] = d * float((qs[i] >> 4) - 8);
}

inline void q4_1(const uint8_t* __restrict block, float* __restrict out) {
  const float d = half(block), low = half(block + 2);
  const uint8_t* qs = block + 4;
  for (int i = 0; i < 16; ++i) out[i] = d * float(qs[i] & 15) + low;
  for (int i = 0; i < 16; ++i) out[16 + i] = d * float(qs[i] >> 4) + low;
}

// The fifth bits are in four bytes before the nibbles.

inline void q5_0(const uint8_t* __restrict block, float* __restrict out) {
  const float d = half(block);
  const auto high = read<uint32_t>(block + 2);
  const uint8_t* qs = block + 6;
  for (int i = 0; i < 16; ++i) out[i] = d * float(int((qs[i] & 15) | (high >> i & 1) << 4) - 16);
  for (int i = 0; i < 16; ++i)
    out[16 + i] = d * float(int((qs[i] >> 4) | (high >> (16 + i) & 1) << 4) - 16);
}

inline void q5_1(const uint8_t* __restrict block, float* __restrict out) {
  const float d = half(block), low = half(block + 2);
  const auto high = read<uint32_t>(block + 4);
  const uint8_t* qs = block + 8;
  for (int i = 0; i < 16; ++i) out[i] = d * float(int((qs[i] & 15) | (high >> i & 1) << 4)) + low;
  for (int i = 0; i < 16; ++i)
    out[16 + i] = d * float(int((qs[i] >> 4) | (high >> (16 + i) & 1) << 4)) + low;
}

inline void q8_0(const uint8_t* __restrict block, float* __restrict out) {
  const float d = half(block);
  for (int i = 0; i < kSmall; ++i) out[i] = float(int8_t(block[2 + i])) * d;
}

// Two bits a number; a scale and a minimum of four bits for every 16.
inline void q2_k(const uint8_t* __restrict block, float* __restrict out) {
  const float d = half(block + 80), least = half(block + 82);
  for (int group = 0; group < 16; ++group) {
    const uint8_t* qs = block + 16 + group / 8 * 32 + group % 2 * 16;
    const int shift = group % 8 / 2 * 2;
    const float scale = d * float(block[group] & 15), low = least * float(block[group] >> 4);
    for (int i = 0; i < 16; ++i) out[group * 16 + i] = scale * float(qs[i] >> shift & 3) - low;
  }
}

// Three bits a number, the third inverted in a mask; a signed scale of six bits for every 16.
inline void q3_k(const uint8_t* __restrict block, float* __restrict out) {
  const uint8_t* packed = block + 96;
  const float d = half(block + 108);
  for (int group = 0; group < 16; ++group) {
    const uint8_t* mask = block + group % 2 * 16;
    const uint8_t* qs = block + 32 + group / 8 * 32 + group % 2 * 16;
    const int shift = group % 8 / 2 * 2, bit = group / 2;
    const int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
    const int high = packed[8 + group % 4] >> group / 4 * 2 & 3;
    const float scale = d * float((low | high << 4) - 32);
    for (int i = 0; i < 16; ++i)
      out[group * 16 + i] = scale * float((qs[i] >> shift & 3) - 4 + (mask[i] >> bit & 1) * 4);
  }
}

// The scale and the minimum, six bits each, of group b of 32 numbers.
struct ScaleAndMinimum {
  int scale, minimum;
};
inline ScaleAndMinimum six_bits(const uint8_t* s, int b) {
  if (b < 4) return {s[b] & 63, s[b + 4] & 63};
  return {(s[b + 4] & 15) | (s[b - 4] >> 6) << 4, (s[b + 4] >> 4) | (s[b] >> 6) << 4};
}

// Four bits a number, with scale and minimum for every 32.
inline void q4_k(const uint8_t* __restrict block, float* __restrict out) {
  const float d = half(block), least = half(block + 2);
  for (int b = 0; b < 8; ++b) {
    const auto [s, m] = six_bits(block + 4, b);
    const float scale = d * float(s), low = least * float(m);
    const uint8_t* qs = block + 16 + b / 2 * 32;
    const int shift = b % 2 * 4;
    for (int i = 0; i < 32; ++i) out[b * 32 + i] = scale * float(qs[i] >> shift & 15) - low;
  }
}

// The same with a fifth bit, in 32 bytes before the others.
inline void q5_k(const uint8_t* __restrict block, float* __restrict out) {
  const float d = half(block), least = half(block + 2);
  for (int b = 0; b < 8; ++b) {
    const auto [s, m] = six_bits(block + 4, b);
    const float scale = d * float(s), low = least * float(m);
    const uint8_t *high = block + 16, *qs = block + 48 + b / 2 * 32;
    const int shift = b % 2 * 4;
    for (int i = 0; i < 32; ++i)
      out[b * 32 + i] = scale * float((qs[i] >> shift & 15) | (high[i] >> b & 1) << 4) - low;
  }
}

// Six bits a number; a signed scale of eight bits for every 16.
inline void q6_k(const uint8_t* __restrict block, float* __restrict out) {
  const uint8_t* scales = block + 192;
  const float d = half(block + 208);
  for (int group = 0; group < 16; ++group) {
    const int part = group / 8, within = group % 8 * 16;  // of 128 numbers
    const uint8_t *low = block + part * 64 + within % 64,
                  *high = block + 128 + part * 32 + within % 32;
    const int shift = within / 64 * 4, shift_high = within / 32 * 2;
    const float scale = d * float(int8_t(scales[group]));
    for (int i = 0; i < 16; ++i)
      out[group * 16 + i] =
          scale * float(((low[i] >> shift & 15) | (high[i] >> shift_high & 3) << 4) - 32);
  }
}

// Writes the numbers of `count` blocks of a type.
void unpack_blocks(BlockType type, const uint8_t* blocks, int64_t count, float* numbers) {
  const auto each = [&](int64_t bytes, int64_t of_block, auto unpack) {
    for (int64_t i = 0; i < count; ++i) unpack(blocks + i * bytes, numbers + i * of_block);
  };
  switch (type) {
    case BlockType::f32:
      if (count > 0) std::memcpy(numbers, blocks, size_t(count) * sizeof(float));
      return;
    case BlockType::f16:
      return each(2, 1, [](const uint8_t* x, float* y) { *y = half(x); });
    case BlockType::bf16:
      for (int64_t i = 0; i < count; ++i)
        numbers[i] = std::bit_cast<float>(uint32_t{read<uint16_t>(blocks + 2 * i)} << 16);
      return;
    case BlockType::q4_0:
      return each(18, kSmall, q4_0);
    case BlockType::q4_1:
      return each(20, kSmall, q4_1);
    case BlockType::q5_0:
      return each(22, kSmall, q5_0);
    case BlockType::q5_1:
      return each(24, kSmall, q5_1);
    case BlockType::q8_0:
      return each(34, kSmall, q8_0);
    case BlockType::q2_k:
      return each(84, kLarge, q2_k);
    case BlockType::q3_k:
      return each(110, kLarge, q3_k);
    case BlockType::q4_k:
      return each(144, kLarge, q4_k);
    case BlockType::q5_k:
      return each(176, kLarge, q5_k);
    case BlockType::q6_k:
      return each(210, kLarge, q6_k);
  }
}

}  // namespace

// The bytes of a GGUF file, piece by piece, right or wrong, and files of random quantised networks.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/file.h"
#include "patina/base/random.h"
#include "patina/kernels/blocks.h"

namespace patina {

class GgufWriting {
 public:
  template <class T>
  GgufWriting& number(T value) {
    const auto* from = reinterpret_cast<const uint8_t*>(&value);
    bytes.insert(bytes.end(), from, from + sizeof value);
    return *this;
  }
  GgufWriting& raw(std::string_view text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    return *this;
  }
  GgufWriting& text(std::string_view text) { return number(uint64_t(text.size())).raw(text); }
  GgufWriting& start(uint64_t tensors, uint64_t settings, uint32_t version = 3) {
    return raw("GGUF").number(version).number(tensors).number(settings);
  }
  /// The key and the number of its type; the value comes next.
  GgufWriting& setting(std::string_view key, uint32_t type) { return text(key).number(type); }
  /// Dimensions in the order of the file, the length of a row first.
  GgufWriting& tensor(std::string_view name, const std::vector<uint64_t>& dimensions, uint32_t type,
                      uint64_t offset = 0) {
    text(name).number(uint32_t(dimensions.size()));
    for (const uint64_t extent : dimensions) number(extent);
    return number(type).number(offset);
  }
  /// Pads to the alignment and adds `count` bytes of 1.
  GgufWriting& data(size_t count, size_t alignment = 32) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
    bytes.resize(bytes.size() + count, 1);
    return *this;
  }

  Bytes bytes;
};

/// All types in which a layer's weight can be stored.
inline const std::vector<kernels::BlockType>& stored_types() {
  using enum kernels::BlockType;
  static const std::vector<kernels::BlockType> types = {f16,  bf16, q4_0, q4_1, q5_0, q5_1,
                                                        q8_0, q2_k, q3_k, q4_k, q5_k, q6_k};
  return types;
}

/// The bytes of `count` blocks: random, with scales that make numbers below one.
inline std::vector<uint8_t> random_blocks(kernels::BlockType type, int64_t count, Random& random) {
  using enum kernels::BlockType;
  const int64_t size = kernels::block_format(type).bytes;
  std::vector<uint8_t> bytes(size_t(count * size));
  for (auto& byte : bytes) byte = uint8_t(random.below(256));
  // Where a block has halves, and the upper byte of their exponent: 2^-13 to 2^-7.
  struct Halves {
    std::vector<int64_t> at;
    int exponent = 0x20;
  };
  const std::map<kernels::BlockType, Halves> halves = {{f16, {{0}}},
                                                       {q4_0, {{0}}},
                                                       {q4_1, {{0, 2}}},
                                                       {q5_0, {{0}}},
                                                       {q5_1, {{0, 2}}},
                                                       {q8_0, {{0}, 0x10}},
                                                       {q2_k, {{80, 82}, 0x08}},
                                                       {q3_k, {{108}, 0x08}},
                                                       {q4_k, {{0, 2}, 0x08}},
                                                       {q5_k, {{0, 2}, 0x08}},
                                                       {q6_k, {{208}, 0x08}}};
  for (int64_t i = 0; i < count; ++i) {
    uint8_t* block = bytes.data() + i * size;
    if (type == bf16) {
      block[1] = uint8_t((block[1] & 0x80) | 0x3d);
      continue;
    }
    const Halves& here = halves.at(type);
    for (const int64_t at : here.at)
      block[at + 1] = uint8_t((block[at + 1] & 0x83) | here.exponent);
  }
  return bytes;
}

/// A GGUF file of a LLaMA of two blocks, 40 words and heads of 32 channels, half as many for keys,
/// whose queries and keys, values, other layers and words are of these types.
struct QuantizedLlama {
  int64_t width = 256, hidden = 512;
  kernels::BlockType queries = kernels::BlockType::q4_k, values = kernels::BlockType::q6_k,
                     layers = kernels::BlockType::q5_k, words = kernels::BlockType::q8_0;

  Bytes bytes() const {
    struct Item {
      std::string name;
      std::vector<uint64_t> shape;  // the length of a row first
      kernels::BlockType type;
    };
    const auto d = uint64_t(width), h = uint64_t(hidden), k = d / 64 * 32;
    std::vector<Item> items = {{"token_embd.weight", {d, 40}, words},
                               {"output_norm.weight", {d}, kernels::BlockType::f32}};
    for (const std::string block : {"blk.0.", "blk.1."}) {
      items.push_back({block + "attn_norm.weight", {d}, kernels::BlockType::f32});
      items.push_back({block + "ffn_norm.weight", {d}, kernels::BlockType::f32});
      items.push_back({block + "attn_q.weight", {d, d}, queries});
      items.push_back({block + "attn_k.weight", {d, k}, queries});
      items.push_back({block + "attn_v.weight", {d, k}, values});
      items.push_back({block + "attn_output.weight", {d, d}, layers});
      items.push_back({block + "ffn_gate.weight", {d, h}, layers});
      items.push_back({block + "ffn_up.weight", {d, h}, layers});
      items.push_back({block + "ffn_down.weight", {h, d}, layers});
    }
    GgufWriting file;
    const std::vector<std::pair<std::string, uint32_t>> numbers = {
        {"llama.block_count", 2},
        {"llama.embedding_length", uint32_t(width)},
        {"llama.feed_forward_length", uint32_t(hidden)},
        {"llama.attention.head_count", uint32_t(width / 32)},
        {"llama.attention.head_count_kv", uint32_t(width / 64)},
        {"llama.context_length", 64}};
    file.start(items.size(), numbers.size() + 2);
    file.setting("general.architecture", 8).text("llama");
    file.setting("llama.attention.layer_norm_rms_epsilon", 6).number(1e-6f);
    for (const auto& [key, value] : numbers) file.setting(key, 4).number(value);
    Random random = Seeds(7)("blocks");
    std::vector<std::vector<uint8_t>> data;
    uint64_t at = 0;
    for (const Item& item : items) {
      const uint64_t rows = item.shape.size() > 1 ? item.shape[1] : 1;
      const auto& block = kernels::block_format(item.type);
      const int64_t count = int64_t(rows * item.shape[0]) / block.numbers;
      if (item.type == kernels::BlockType::f32) {
        std::vector<float> norm(item.shape[0]);
        for (float& x : norm) x = float(0.5 + random.uniform());
        const auto* from = reinterpret_cast<const uint8_t*>(norm.data());
        data.emplace_back(from, from + 4 * norm.size());
      } else {
        data.push_back(random_blocks(item.type, count, random));
      }
      file.tensor(item.name, item.shape, uint32_t(item.type), at);
      at += (data.back().size() + 31) / 32 * 32;
    }
    for (const auto& bytes : data) {
      file.bytes.resize((file.bytes.size() + 31) / 32 * 32);
      file.bytes.insert(file.bytes.end(), bytes.begin(), bytes.end());
    }
    return file.bytes;
  }
};

}  // namespace patina

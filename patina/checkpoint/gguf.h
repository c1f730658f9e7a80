// GGUF: llama.cpp's files of weights and settings, read through a memory map without copies. This
// part handles bytes and shapes, without LibTorch.
// Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "patina/base/file.h"
#include "patina/kernels/blocks.h"

namespace patina {

/// A tensor inside a file: a view that lives as long as the file object. Rows are the last
/// dimension, as in LibTorch; the file stores the dimensions in reverse.
struct GgufTensor {
  kernels::BlockType type;
  std::vector<int64_t> shape;
  std::span<const uint8_t> data;

  int64_t count() const;
};

/// The numbers of rows [from, to) of a tensor, the rows of all but its last dimension counted
/// together; `numbers` must have room for exactly those.
void dequantize_rows(const GgufTensor& tensor, int64_t from, int64_t to, std::span<float> numbers);

/// A setting: one value, or an array.
struct GgufValue {
  using Array = std::vector<GgufValue>;
  std::variant<bool, int64_t, uint64_t, double, std::string, Array> value;

  /// As a line of a terminal: "32", "llama", "[3 values]".
  std::string text() const;
};

class GgufFile {
 public:
  /// The format's own limits.
  static constexpr uint64_t kLongestKey = 65535;
  static constexpr uint32_t kMostDimensions = 4;
  /// Limits: what exceeds them is refused.
  static constexpr uint64_t kMostTensors = 1'000'000, kMostSettings = 100'000,
                            kMostArrayValues = uint64_t{1} << 22;
  static constexpr int kDeepestArray = 4;

  /// Maps and checks everything before any tensor is handed out. Throws Error(format) naming the
  /// file and what is wrong: another format, version or byte order, a count or length beyond the
  /// file or the limits, a name twice, a type that is not read, a row that is not whole blocks, an
  /// overflowing shape, data that is misaligned, out of range or overlapping.
  static GgufFile open(const fs::path& path);
  /// Reads bytes that outlive the file object; `origin` names them in messages.
  static GgufFile parse(std::span<const uint8_t> bytes, const std::string& origin);
  /// Whether a file begins as GGUF does.
  static bool is_one(std::span<const uint8_t> bytes);

  const std::string& origin() const { return origin_; }
  const std::map<std::string, GgufTensor>& tensors() const { return tensors_; }
  const std::map<std::string, GgufValue>& settings() const { return settings_; }
  bool has(const std::string& tensor) const { return tensors_.contains(tensor); }
  bool sets(const std::string& key) const { return settings_.contains(key); }
  /// Throws Error(format) with "did you mean" when there is no such tensor.
  const GgufTensor& at(const std::string& tensor) const;

  /// Settings by key. Throw Error(format) when the key is absent or its value is of another type.
  std::string text(const std::string& key) const;
  int64_t whole(const std::string& key) const;
  double number(const std::string& key) const;  // a whole number, too
  bool flag(const std::string& key) const;
  std::vector<std::string> texts(const std::string& key) const;
  std::vector<double> numbers(const std::string& key) const;

 private:
  friend class GgufReader;
  const GgufValue& setting(const std::string& key) const;

  std::shared_ptr<MappedFile> map_;
  std::string origin_;
  std::map<std::string, GgufTensor> tensors_;
  std::map<std::string, GgufValue> settings_;
};

}  // namespace patina

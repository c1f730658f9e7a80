// Writes small GGUF files: settings and tensors of floats, such as an adapter for llama.cpp.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "patina/base/file.h"

namespace patina {

/// Settings and tensors in the order in which they were added. Every misuse throws Error(usage): a
/// key or name twice, a name that llama.cpp cannot hold, numbers that do not fit a shape.
class GgufWriter {
 public:
  using Value = std::variant<bool, uint32_t, float, std::string>;

  /// Keys are lower-case words joined by dots, such as "general.architecture".
  void set(const std::string& key, Value value);
  /// A tensor of float32, its rows the last dimension, as in LibTorch. `numbers` must live until
  /// the file is written.
  void add(const std::string& name, const std::vector<int64_t>& shape,
           std::span<const float> numbers);
  /// The same content gives the same bytes; the file appears once it is complete.
  void write(const fs::path& path) const;

 private:
  struct Setting {
    std::string key;
    Value value;
  };
  struct Entry {
    std::string name;
    std::vector<int64_t> shape;
    std::span<const float> numbers;
  };
  std::vector<Setting> settings_;
  std::vector<Entry> tensors_;
};

}  // namespace patina

// SHA-256 (FIPS 180-4), by which files that were fetched are recognised.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "patina/base/file.h"

namespace patina::fetch {

class Sha256 {
 public:
  void add(const void* data, size_t bytes);
  void add(std::string_view text) { add(text.data(), text.size()); }
  /// 64 hexadecimal digits. Called once, at the end.
  std::string hex();

 private:
  void block(const uint8_t* bytes);

  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<uint8_t, 64> rest_{};
  size_t held_ = 0;  // bytes in rest_
  uint64_t length_ = 0;
};

/// Of a whole file. Throws Error(file) if it cannot be read.
std::string sha256_of(const fs::path& path);

}  // namespace patina::fetch

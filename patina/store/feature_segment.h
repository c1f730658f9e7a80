// A file of cached features: safetensors with `keys` [N,2] int64 and `features` [N,D] fp32; the
// metadata has the space's name and a checksum of everything.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "patina/checkpoint/safetensors.h"

namespace patina {

/// A sample's key, a row of Input::keys.
using FeatureKey = std::array<int64_t, 2>;

class FeatureSegment {
 public:
  /// Maps a file and verifies it. Throws Error(format) with the file's name if it is damaged, or of
  /// another space or width; a negative width is the file's own.
  static FeatureSegment open(const fs::path& path, const std::string& space, int64_t width);
  /// Writes a file atomically. Throws Error(file).
  static void write(const fs::path& path, const std::string& space, int64_t width,
                    std::span<const FeatureKey> keys, std::span<const float> features);

  int64_t rows() const { return rows_; }
  /// Of the space, the keys and the features: equal segments have equal ones.
  const std::string& checksum() const { return file_.metadata().at("checksum"); }
  FeatureKey key(int64_t row) const;
  /// The features of a row, unaligned; valid while the segment or a copy exists.
  const uint8_t* features(int64_t row) const { return features_ + row * row_bytes_; }

 private:
  explicit FeatureSegment(SafetensorsFile file) : file_(std::move(file)) {}

  SafetensorsFile file_;
  const uint8_t* keys_ = nullptr;
  const uint8_t* features_ = nullptr;
  int64_t rows_ = 0, row_bytes_ = 0;
};

}  // namespace patina

// IDX, the format of MNIST: arrays of numbers after a header of big-endian sizes.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "patina/data/source.h"

namespace patina {

/// A parsed header and its data, a view into the parsed bytes.
struct IdxArray {
  enum class Type : uint8_t { uint8 = 0x08, int16 = 0x0b, int32 = 0x0c };

  Type type = Type::uint8;
  std::vector<int64_t> sizes;
  std::span<const uint8_t> data;  // exactly as many bytes as the sizes require
};

/// Throws Error(format) naming `origin` unless `bytes` are one complete IDX file.
IdxArray parse_idx(std::span<const uint8_t> bytes, std::string_view origin);

/// The numbers of a one-dimensional array. Throws Error(format) for another shape, and Error(data)
/// for a number outside [0, classes).
std::vector<int64_t> idx_labels(const IdxArray& array, int64_t classes, std::string_view origin);

/// {count, height, width} of an array of grey images. Throws Error(format) for any other array.
std::array<int64_t, 3> idx_images(const IdxArray& array, std::string_view origin);

/// Images and labels of one split, each plain or gzipped. Throws Error if they do not match.
std::unique_ptr<Source> open_idx(const fs::path& images, const fs::path& labels,
                                 std::vector<std::string> classes);

/// Omniglot's background set, packed as IDX files (Lake et al., Science 2015).
DataSplits open_omniglot(const fs::path& folder);

}  // namespace patina

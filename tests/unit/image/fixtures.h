// Reading this folder's fixtures: PPM images and the reference numbers Pillow made.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/image/image.h"
#include "patina/image/transform.h"
#include "tests/support/errors.h"

namespace patina {

inline fs::path fixture(const std::string& name) {
  return fs::path(PATINA_SOURCE_DIR) / "tests/unit/image/fixtures" / name;
}

/// A binary PPM without comments.
inline Image read_ppm(const fs::path& path) {
  std::istringstream in(read_text(path));
  std::string magic;
  int width = 0, height = 0, largest = 0;
  in >> magic >> width >> height >> largest;
  in.get();
  if (magic != "P6" || largest != 255) throw std::runtime_error(path.string() + ": not a PPM");
  Image image(height, width);
  in.read(reinterpret_cast<char*>(image.pixels.data()), std::streamsize(image.pixels.size()));
  if (!in) throw std::runtime_error(path.string() + ": truncated");
  return image;
}

inline uint32_t checksum(const Image& image) {
  return uint32_t(crc32(0, image.pixels.data(), uInt(image.pixels.size())));
}

inline int largest_difference(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  if (a.size() != b.size()) return 256;
  int largest = 0;
  for (size_t i = 0; i < a.size(); ++i) largest = std::max(largest, std::abs(a[i] - b[i]));
  return largest;
}

inline Interpolation filter_named(const std::string& name) {
  return name == "bicubic" ? Interpolation::bicubic : Interpolation::bilinear;
}

}  // namespace patina

// Data sets written by tests, in their publishers' layouts.
#pragma once

#include <zlib.h>

#include <algorithm>
#include <fstream>

#include "patina/base/error.h"
#include "patina/data/source.h"

namespace patina {

inline void write(const fs::path& path, const Bytes& bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
}

inline void write_gzip(const fs::path& path, const Bytes& bytes) {
  fs::create_directories(path.parent_path());
  const gzFile file = gzopen(path.c_str(), "wb");
  gzwrite(file, bytes.data(), unsigned(bytes.size()));
  gzclose(file);
}

inline Bytes idx(uint8_t type, const std::vector<uint32_t>& sizes, const Bytes& data) {
  Bytes bytes = {0, 0, type, uint8_t(sizes.size())};
  for (const uint32_t size : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(uint8_t(size >> shift));
  bytes.insert(bytes.end(), data.begin(), data.end());
  return bytes;
}

// An image whose first pixel identifies it.
inline Image marked(uint8_t mark) {
  Image image(6, 5);
  std::ranges::fill(image.pixels, mark);
  return image;
}

inline void write_images(const fs::path& folder, int count, uint8_t mark = 0) {
  for (int i = 0; i < count; ++i)
    write(folder / fmt::format("{:03}.png", i), encode_png(marked(uint8_t(mark + i))));
}

inline std::vector<int64_t> count_labels(const Source& source) {
  std::vector<int64_t> counts(source.classes().size());
  for (int64_t i = 0; i < source.size(); ++i) ++counts.at(size_t(source.label(i)));
  return counts;
}

// The number of samples of each class in each domain.
inline std::vector<std::vector<int64_t>> count_domains(const Source& source) {
  std::vector<std::vector<int64_t>> counts(source.domains().size(),
                                           std::vector<int64_t>(source.classes().size()));
  for (int64_t i = 0; i < source.size(); ++i)
    ++counts.at(size_t(source.domain(i))).at(size_t(source.label(i)));
  return counts;
}

// Ten classes of two 2x3 images each, in order; image i is filled with i.
inline void write_mnist(const fs::path& folder, bool gzip) {
  Bytes pixels, labels;
  for (uint8_t i = 0; i < 20; ++i) {
    pixels.insert(pixels.end(), 6, i);
    labels.push_back(i % 10);
  }
  for (const std::string split : {"train", "t10k"}) {
    const auto put = [&](const std::string& name, const Bytes& bytes) {
      gzip ? write_gzip(folder / (name + ".gz"), bytes) : write(folder / name, bytes);
    };
    put(split + "-images-idx3-ubyte", idx(8, {20, 2, 3}, pixels));
    put(split + "-labels-idx1-ubyte", idx(8, {20}, labels));
  }
}

}  // namespace patina

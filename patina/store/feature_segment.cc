#include "patina/store/feature_segment.h"

#include <cstring>

#include "patina/base/error.h"

namespace patina {

namespace {

constexpr const char* kFormat = "patina features 1";

std::string checksum_of(const std::string& space, std::span<const uint8_t> keys,
                        std::span<const uint8_t> features) {
  ContentHash hash;
  hash.add(space);
  hash.add(keys.data(), keys.size());
  hash.add(features.data(), features.size());
  return hash.hex();
}

template <class T>
std::span<const uint8_t> bytes_of(std::span<const T> items) {
  return {reinterpret_cast<const uint8_t*>(items.data()), items.size_bytes()};
}

}  // namespace

FeatureSegment FeatureSegment::open(const fs::path& path, const std::string& space, int64_t width) {
  // Opening a pipe would block until it has a writer.
  if (!fs::is_regular_file(path)) fail(ErrorKind::file, "{}: not a regular file", path.string());
  FeatureSegment segment(SafetensorsFile::open(path));
  const auto& metadata = segment.file_.metadata();
  const auto says = [&](const char* key, const std::string& value) {
    const auto found = metadata.find(key);
    return found != metadata.end() && found->second == value;
  };
  if (!says("format", kFormat) || !says("space", space))
    fail(ErrorKind::format, "{}: not the features of this network", path.string());
  const StoredTensor& keys = segment.file_.at("keys");
  const StoredTensor& features = segment.file_.at("features");
  const int64_t rows = keys.shape.empty() ? 0 : keys.shape[0];
  if (width < 0) width = features.shape.size() == 2 ? features.shape[1] : 0;
  if (keys.dtype != DType::i64 || keys.shape != std::vector<int64_t>{rows, 2} ||
      features.dtype != DType::f32 || features.shape != std::vector<int64_t>{rows, width})
    fail(ErrorKind::format, "{}: the file does not have {} features per sample", path.string(),
         width);
  if (!says("checksum", checksum_of(space, keys.data, features.data)))
    fail(ErrorKind::format, "{}: the file is damaged: its checksum does not match", path.string());
  segment.keys_ = keys.data.data();
  segment.features_ = features.data.data();
  segment.rows_ = rows;
  segment.row_bytes_ = width * int64_t(sizeof(float));
  return segment;
}

void FeatureSegment::write(const fs::path& path, const std::string& space, int64_t width,
                           std::span<const FeatureKey> keys, std::span<const float> features) {
  const auto key_bytes = bytes_of(keys), feature_bytes = bytes_of(features);
  const int64_t rows = int64_t(keys.size());
  write_safetensors(path,
                    {{"keys", {DType::i64, {rows, 2}, key_bytes}},
                     {"features", {DType::f32, {rows, width}, feature_bytes}}},
                    {{"format", kFormat},
                     {"space", space},
                     {"checksum", checksum_of(space, key_bytes, feature_bytes)}});
}

FeatureKey FeatureSegment::key(int64_t row) const {
  FeatureKey key;
  std::memcpy(key.data(), keys_ + row * int64_t(sizeof key), sizeof key);
  return key;
}

}  // namespace patina

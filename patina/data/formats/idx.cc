// IDX files: headers are checked, grey images are held in memory.
#include "patina/data/formats/idx.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/data/files.h"
#include "patina/data/formats/pixels.h"
#include "patina/data/views.h"

namespace patina {

namespace {

constexpr size_t kMostDimensions = 4;
constexpr uint64_t kMostIdxBytes = uint64_t{1} << 32;

uint32_t big_endian(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

int64_t width_of(IdxArray::Type type) {
  switch (type) {
    case IdxArray::Type::uint8:
      return 1;
    case IdxArray::Type::int16:
      return 2;
    case IdxArray::Type::int32:
      return 4;
  }
  PATINA_CHECK(false, "IDX type {}", int(type));
}

}  // namespace

IdxArray parse_idx(std::span<const uint8_t> bytes, std::string_view origin) {
  if (bytes.size() < 4 || bytes[0] != 0 || bytes[1] != 0)
    fail(ErrorKind::format, "{}: not an IDX file (it starts with neither gzip's nor IDX's bytes)",
         origin);
  IdxArray array;
  array.type = IdxArray::Type(bytes[2]);
  if (array.type != IdxArray::Type::uint8 && array.type != IdxArray::Type::int16 &&
      array.type != IdxArray::Type::int32)
    fail(ErrorKind::format, "{}: IDX type 0x{:02x}; uint8, int16 and int32 are read", origin,
         bytes[2]);
  const size_t dimensions = bytes[3];
  if (dimensions < 1 || dimensions > kMostDimensions)
    fail(ErrorKind::format, "{}: an IDX array of {} dimensions; 1 to {} are read", origin,
         dimensions, kMostDimensions);
  const size_t header = 4 + 4 * dimensions;
  if (bytes.size() < header) fail(ErrorKind::format, "{}: truncated in its header", origin);

  const int64_t held = int64_t(bytes.size() - header);
  int64_t wanted = width_of(array.type);
  for (size_t d = 0; d < dimensions; ++d) {
    const int64_t size = big_endian(&bytes[4 + 4 * d]);
    array.sizes.push_back(size);
    if (size == 0) fail(ErrorKind::format, "{}: an IDX array without elements", origin);
    if (size > held / wanted)
      fail(ErrorKind::format, "{}: truncated: {} bytes of data, its header asks for more", origin,
           held);
    wanted *= size;
  }
  if (wanted != held)
    fail(ErrorKind::format, "{}: {} bytes of data, but its header says {}", origin, held, wanted);
  array.data = bytes.subspan(header);
  return array;
}

std::vector<int64_t> idx_labels(const IdxArray& array, int64_t classes, std::string_view origin) {
  if (array.sizes.size() != 1)
    fail(ErrorKind::format, "{}: {} dimensions, but labels have one; are these images?", origin,
         array.sizes.size());
  std::vector<int64_t> labels(array.sizes[0]);
  const uint8_t* p = array.data.data();
  for (size_t i = 0; i < labels.size(); ++i, p += width_of(array.type)) {
    switch (array.type) {
      case IdxArray::Type::uint8:
        labels[i] = *p;
        break;
      case IdxArray::Type::int16:
        labels[i] = int16_t(p[0] << 8 | p[1]);
        break;
      case IdxArray::Type::int32:
        labels[i] = int32_t(big_endian(p));
        break;
    }
    if (labels[i] < 0 || labels[i] >= classes)
      fail(ErrorKind::data, "{}: label {} at [{}]; this data set has classes 0 to {}", origin,
           labels[i], i, classes - 1);
  }
  return labels;
}

std::array<int64_t, 3> idx_images(const IdxArray& array, std::string_view origin) {
  if (array.sizes.size() != 3 || array.type != IdxArray::Type::uint8)
    fail(ErrorKind::format,
         "{}: not grey images, which are uint8 of 3 dimensions; are these labels?", origin);
  const auto [count, height, width] = std::array{array.sizes[0], array.sizes[1], array.sizes[2]};
  if (height > kLargestSide || width > kLargestSide || height * width > kMostPixels)
    fail(ErrorKind::format, "{}: images of {} x {} pixels are beyond the limit", origin, width,
         height);
  return {count, height, width};
}

std::unique_ptr<Source> open_idx(const fs::path& images, const fs::path& labels,
                                 std::vector<std::string> classes) {
  Bytes bytes = read_maybe_gzip(images, kMostIdxBytes);
  const IdxArray array = parse_idx(bytes, images.string());
  const auto [count, height, width] = idx_images(array, images.string());
  const Bytes label_bytes = read_maybe_gzip(labels, kMostIdxBytes);
  std::vector<int64_t> numbers =
      idx_labels(parse_idx(label_bytes, labels.string()), int64_t(classes.size()), labels.string());
  if (int64_t(numbers.size()) != count)
    fail(ErrorKind::data, "{}: {} labels for the {} images of {}", labels.string(), numbers.size(),
         count, images.string());

  const int64_t offset = array.data.data() - bytes.data();
  std::vector<Pixels::File> files;
  files.push_back({images.string(), std::move(bytes), offset, count});
  const Pixels::Shape shape{.height = int(height), .width = int(width)};
  return std::make_unique<Pixels>(shape, std::move(files), std::move(numbers), std::move(classes));
}

// Every character was drawn by the same 20 people, in the same order; the last five are the test
// split.
DataSplits open_omniglot(const fs::path& folder) {
  constexpr int64_t kClasses = 964, kDrawings = 20, kTrained = 15;
  std::vector<std::string> classes;
  for (int64_t c = 0; c < kClasses; ++c) classes.push_back(fmt::format("character {}", c));
  const std::shared_ptr<const Source> all =
      open_idx(need_file(folder, "background-images28-idx3-ubyte"),
               need_file(folder, "background-labels-idx1-short"), classes);
  std::vector<int64_t> met(kClasses), train, test;
  for (int64_t i = 0; i < all->size(); ++i)
    (met[all->label(i)]++ < kTrained ? train : test).push_back(i);
  for (int64_t c = 0; c < kClasses; ++c)
    if (met[c] != kDrawings)
      fail(ErrorKind::data, "{}: {} has {} drawings, {} expected", folder.string(), classes[c],
           met[c], kDrawings);
  return {"", std::make_unique<Selection>(all, std::move(train)),
          std::make_unique<Selection>(all, std::move(test))};
}

}  // namespace patina

// CIFAR's binary files, held in memory undecoded.
#include "patina/data/formats/cifar.h"

#include <array>
#include <sstream>

#include "patina/base/error.h"
#include "patina/data/files.h"
#include "patina/data/formats/pixels.h"

namespace patina {

namespace {

constexpr int kSide = 32;
constexpr uint64_t kMostBatchBytes = uint64_t{1} << 30;

// Each image's label bytes in one of the two data sets; the last one is used.
struct Format {
  int64_t label_bytes;
  std::array<int, 2> label_limits;
};
constexpr Format kCifar10{1, {10, 0}};
constexpr Format kCifar100{2, {20, 100}};  // coarse, fine

std::unique_ptr<Source> open_records(const Format& format, const std::vector<fs::path>& paths,
                                     const std::vector<std::string>& classes) {
  const Pixels::Shape shape{kSide, kSide, Pixels::Layout::planar_rgb, format.label_bytes};
  std::vector<Pixels::File> files;
  std::vector<int64_t> labels;
  for (const auto& path : paths) {
    const std::string name = path.string();
    Bytes bytes = read_file(path, kMostBatchBytes);
    if (bytes.empty() || int64_t(bytes.size()) % shape.stride() != 0)
      fail(ErrorKind::format,
           "{}: {} bytes, not a number of {}-byte records; the file is truncated or of another "
           "data set",
           name, bytes.size(), shape.stride());
    const int64_t count = int64_t(bytes.size()) / shape.stride();
    for (int64_t i = 0; i < count; ++i) {
      const uint8_t* record = &bytes[size_t(i * shape.stride())];
      for (int64_t b = 0; b < format.label_bytes; ++b)
        if (record[b] >= format.label_limits[b])
          fail(ErrorKind::data, "{}: label {} in record {}; labels here are below {}", name,
               record[b], i, format.label_limits[b]);
      labels.push_back(record[format.label_bytes - 1]);
    }
    files.push_back({name, std::move(bytes), 0, count});
  }
  return std::make_unique<Pixels>(shape, std::move(files), std::move(labels), classes);
}

std::vector<std::string> read_names(const fs::path& path, size_t count) {
  std::istringstream lines(read_text(path, uint64_t{1} << 20));
  std::vector<std::string> names;
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() != count)
    fail(ErrorKind::data, "{}: {} class names, {} expected", path.string(), names.size(), count);
  check_class_names(names, path.string());
  return names;
}

// classes.tsv: id, name, and optional further columns.
std::vector<std::string> read_table(const fs::path& path, size_t count) {
  std::vector<std::string> names(count);
  for (const auto& row : read_tsv(path, 2)) {
    size_t id = count;
    for (size_t i = 0; i < count; ++i)
      if (row[0] == std::to_string(i)) id = i;
    if (id == count || !names[id].empty())
      fail(ErrorKind::data, "{}: \"{}\" is not a class id from 0 to {}, or stands there twice",
           path.string(), row[0], count - 1);
    names[id] = row[1];
  }
  check_class_names(names, path.string());
  return names;
}

}  // namespace

DataSplits open_cifar10(const fs::path& folder) {
  std::vector<std::string> classes = {"airplane", "automobile", "bird",  "cat",  "deer",
                                      "dog",      "frog",       "horse", "ship", "truck"};
  if (is_file(folder / "batches.meta.txt"))
    classes = read_names(folder / "batches.meta.txt", classes.size());
  std::vector<fs::path> train;
  for (int i = 1; i <= 5; ++i) train.push_back(folder / fmt::format("data_batch_{}.bin", i));
  return {"cifar10", open_records(kCifar10, train, classes),
          open_records(kCifar10, {folder / "test_batch.bin"}, classes)};
}

DataSplits open_cifar100(const fs::path& folder) {
  constexpr size_t kClasses = 100;
  std::vector<std::string> classes;
  if (is_file(folder / "fine_label_names.txt"))
    classes = read_names(folder / "fine_label_names.txt", kClasses);
  else if (is_file(folder / "classes.tsv"))
    classes = read_table(folder / "classes.tsv", kClasses);
  else
    for (size_t i = 0; i < kClasses; ++i) classes.push_back(fmt::format("class {}", i));
  return {"cifar100", open_records(kCifar100, {folder / "train.bin"}, classes),
          open_records(kCifar100, {folder / "test.bin"}, classes)};
}

}  // namespace patina

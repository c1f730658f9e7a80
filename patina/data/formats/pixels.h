// Images held in memory as stored in a file: IDX and CIFAR.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "patina/data/source.h"

namespace patina {

/// Undecoded images of one size in memory.
class Pixels : public Source {
 public:
  enum class Layout { grey, planar_rgb };  // [H,W] or [3,H,W]

  struct Shape {
    int height = 0, width = 0;
    Layout layout = Layout::grey;
    int64_t before = 0;  // bytes before each image: labels, in CIFAR's records
    int64_t stride() const {
      return before + int64_t{height} * width * (layout == Layout::grey ? 1 : 3);
    }
  };

  /// One file's images: `count` records of `stride` bytes from `offset` on.
  struct File {
    std::string name;
    Bytes bytes;
    int64_t offset = 0, count = 0;
  };

  /// One label per image, already checked against the classes.
  Pixels(Shape shape, std::vector<File> files, std::vector<int64_t> labels,
         std::vector<std::string> classes);

  int64_t size() const override { return int64_t(labels_.size()); }
  int64_t label(int64_t i) const override { return labels_[i]; }
  Image image(int64_t i) const override;
  Fingerprint fingerprint(int64_t i) const override;
  std::string origin(int64_t i) const override;
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  std::pair<const File*, int64_t> find(int64_t i) const;  // the file, and the index in it
  std::span<const uint8_t> bytes(int64_t i) const;        // of the image, without its label

  Shape shape_;
  std::vector<File> files_;
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
};

}  // namespace patina

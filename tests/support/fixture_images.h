// The images and targets of a reference file, as a source.
#pragma once

#include <algorithm>

#include "patina/data/source.h"
#include "tests/support/parity.h"

namespace patina {

/// `images` [N,H,W,3], whole numbers from 0 to 255, of classes 0 to `classes` - 1.
class FixtureImages : public Source {
 public:
  FixtureImages(const Tensor& images, Tensor targets, int64_t classes)
      : images_(images.to(at::kByte).contiguous()), targets_(std::move(targets)) {
    for (int64_t c = 0; c < classes; ++c) classes_.push_back(fmt::format("class {}", c));
  }

  int64_t size() const override { return targets_.size(0); }
  int64_t label(int64_t i) const override { return targets_[i].item<int64_t>(); }
  std::string origin(int64_t i) const override { return fmt::format("fixture[{}]", i); }
  const std::vector<std::string>& classes() const override { return classes_; }
  Image image(int64_t i) const override {
    Image image(int(images_.size(1)), int(images_.size(2)));
    std::copy_n(images_[i].data_ptr<uint8_t>(), image.pixels.size(), image.pixels.begin());
    return image;
  }

 private:
  Tensor images_, targets_;
  std::vector<std::string> classes_;
};

}  // namespace patina

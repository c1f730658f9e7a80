// Labelled images in memory, without a data set: every class is a colour pattern, every sample that
// pattern with noise.
#pragma once

#include "patina/data/source.h"

namespace patina::bench {

class PatternSource : public Source {
 public:
  static constexpr int kSide = 32;

  /// `per_class` images of each class, alternating between classes. Patterns do not depend on the
  /// seed; noise does.
  PatternSource(int64_t classes, int64_t per_class, uint64_t seed);

  int64_t size() const override { return int64_t(images_.size()); }
  int64_t label(int64_t i) const override { return i % int64_t(classes_.size()); }
  Image image(int64_t i) const override { return images_[size_t(i)]; }
  std::string origin(int64_t i) const override;
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  std::vector<std::string> classes_;
  std::vector<Image> images_;
};

/// Training and test images of the same classes.
DataSplits pattern_data(int64_t classes, int64_t train_per_class, int64_t test_per_class);

}  // namespace patina::bench

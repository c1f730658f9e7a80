// The parts sources are made of: images held in memory, a selection of another source's samples,
// and what every source checks.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/data/source.h"

namespace patina {

/// Undecoded images of one size in memory, as a file holds them.
class Pixels : public Source {
 public:
  enum class Layout { grey, planar_rgb };  // [H,W] or [3,H,W]

  struct Shape {
    int height = 0, width = 0;
    Layout layout = Layout::grey;
    int64_t before = 0;  // bytes in front of each image: labels, in CIFAR's records
    int64_t stride() const {
      return before + int64_t{height} * width * (layout == Layout::grey ? 1 : 3);
    }
  };

  /// One file's images: `count` times `stride` bytes from `offset` on.
  struct File {
    std::string name;
    Bytes bytes;
    int64_t offset = 0, count = 0;
  };

  /// One label an image, already checked against the classes.
  Pixels(Shape shape, std::vector<File> files, std::vector<int64_t> labels,
         std::vector<std::string> classes);

  int64_t size() const override { return int64_t(labels_.size()); }
  int64_t label(int64_t i) const override { return labels_[i]; }
  Image image(int64_t i) const override;
  Fingerprint fingerprint(int64_t i) const override;
  std::string origin(int64_t i) const override;
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  std::pair<const File*, int64_t> find(int64_t i) const;  // the file, and the place in it
  std::span<const uint8_t> bytes(int64_t i) const;        // of the image, without its label

  Shape shape_;
  std::vector<File> files_;
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
};

/// Some samples of a source, in the order given. Several selections may share one source.
class Selection : public Source {
 public:
  Selection(std::shared_ptr<const Source> all, std::vector<int64_t> kept, int64_t skipped = 0)
      : all_(std::move(all)), kept_(std::move(kept)), skipped_(skipped) {}

  int64_t size() const override { return int64_t(kept_.size()); }
  int64_t label(int64_t i) const override { return all_->label(kept_[i]); }
  bool is_text() const override { return all_->is_text(); }
  Image image(int64_t i) const override { return all_->image(kept_[i]); }
  Text text(int64_t i) const override { return all_->text(kept_[i]); }
  Fingerprint fingerprint(int64_t i) const override { return all_->fingerprint(kept_[i]); }
  std::string origin(int64_t i) const override { return all_->origin(kept_[i]); }
  const std::vector<std::string>& classes() const override { return all_->classes(); }
  const std::vector<std::string>& domains() const override { return all_->domains(); }
  int64_t domain(int64_t i) const override { return all_->domain(kept_[i]); }
  int64_t skipped() const override { return all_->skipped() + skipped_; }

 private:
  std::shared_ptr<const Source> all_;
  std::vector<int64_t> kept_;
  int64_t skipped_;
};

/// The first `count` samples of each class in each domain, in file order; everything when `count`
/// is 0.
std::unique_ptr<Source> first_of_each(std::unique_ptr<Source> source, int64_t count);

/// A long tail: of class c of C the first n * imbalance^(c/(C-1)) samples, rounded down and at
/// least one (all, where there are fewer), with n the samples of the largest class. Each domain is
/// cut by itself. `imbalance`, in (0, 1], is the smallest class over the largest; 1 keeps
/// everything. Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.
std::unique_ptr<Source> long_tail(std::unique_ptr<Source> source, double imbalance);

/// read_image; the message about a damaged file says how to leave it out.
Image read_sample(const fs::path& path);

/// Decodes every image once, on a thread pool, and leaves out those that cannot be.
std::unique_ptr<Source> without_bad_images(std::unique_ptr<Source> source);

/// Which of `count` samples become the test split: options.test_fraction of them and at least one,
/// never all. Drawn by the class's name, so that one more class leaves the others' split alone.
/// `count` is at least 2.
std::vector<char> drawn_for_test(const DataOptions& options, const std::string& name,
                                 int64_t count);

/// Throws Error(data) when a class has no sample. `what` names the split in the message.
void check_every_class(const Source& source, std::string_view what);

/// Throws Error(data) unless every name can be shown and stored: not empty, UTF-8, no control
/// characters. `what` has the names, in the message.
void check_class_names(const std::vector<std::string>& names, std::string_view origin,
                       std::string_view what = "class");

/// True when a file is there to be opened.
bool is_file(const fs::path& path);
/// The file under its own name or gzipped; empty when neither is there.
fs::path find_file(const fs::path& folder, const std::string& name);
/// The same; throws Error(data) when neither is there.
fs::path need_file(const fs::path& folder, const std::string& name);

/// The rows of a tab-separated table, without empty lines. Throws Error(format) on a row of fewer
/// than `columns` cells.
std::vector<std::vector<std::string>> read_tsv(const fs::path& path, size_t columns);

}  // namespace patina

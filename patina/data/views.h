// Views of a source: some of its samples. And what every source is checked for.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

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

/// Decodes every image once, on a thread pool, and leaves out those that cannot be.
std::unique_ptr<Source> without_bad_images(std::unique_ptr<Source> source);

/// Which of `count` samples become the test split: options.test_fraction of them and at least one,
/// never all. Drawn by the class's name, so that one more class leaves the others' split alone.
/// `count` is at least 2.
std::vector<char> drawn_for_test(const DataOptions& options, const std::string& name,
                                 int64_t count);

/// Throws Error(data) when a class has no sample. `what` names the split in the message.
void check_every_class(const Source& source, std::string_view what);

}  // namespace patina

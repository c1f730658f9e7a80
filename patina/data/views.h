// Views of a source: subsets of its samples; and checks for all sources.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/data/options.h"
#include "patina/data/source.h"

namespace patina {

/// A subset of a source's samples, in the order given. Several selections may share a source.
class Selection : public Source {
 public:
  Selection(std::shared_ptr<const Source> all, std::vector<int64_t> kept, int64_t skipped = 0)
      : all_(std::move(all)), kept_(std::move(kept)), skipped_(skipped) {}

  int64_t size() const override { return int64_t(kept_.size()); }
  int64_t label(int64_t i) const override { return all_->label(kept_[i]); }
  bool is_text() const override { return all_->is_text(); }
  bool has_images() const override { return all_->has_images(); }
  Image image(int64_t i) const override { return all_->image(kept_[i]); }
  Bytes encoded_image(int64_t i) const override { return all_->encoded_image(kept_[i]); }
  Text text(int64_t i) const override { return all_->text(kept_[i]); }
  AnswerKind answer_kind() const override { return all_->answer_kind(); }
  Exchange exchange(int64_t i) const override { return all_->exchange(kept_[i]); }
  Fingerprint fingerprint(int64_t i) const override { return all_->fingerprint(kept_[i]); }
  uint64_t mark(int64_t i) const override { return all_->mark(kept_[i]); }
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

/// The first `count` samples of each class in each domain, in file order; all if `count` is 0.
std::unique_ptr<Source> first_of_each(std::unique_ptr<Source> source, int64_t count);

/// A long tail: from class c of C the first n * imbalance^(c/(C-1)) samples, rounded down and at
/// least one (all, if there are fewer), where n is the size of the largest class. Each domain is
/// reduced separately. `imbalance`, in (0, 1], is the ratio of smallest to largest class; 1 keeps
/// everything. Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019.
std::unique_ptr<Source> long_tail(std::unique_ptr<Source> source, double imbalance);

/// Decodes every image once, on a thread pool, and removes those that cannot be decoded.
std::unique_ptr<Source> without_bad_images(std::unique_ptr<Source> source);

/// Labelled texts as prompts that are answered by the names of their classes; the second text of a
/// pair is the input.
std::unique_ptr<Source> verbalized(std::unique_ptr<Source> source);

/// Which of `count` samples become the test split: a fraction options.test_fraction, at least one
/// and never all. Drawn with the class's name, so that adding a class does not change the splits of
/// others. `count` must be at least 2.
std::vector<char> drawn_for_test(const DataOptions& options, const std::string& name,
                                 int64_t count);

/// Which samples are held out for validation: options.validation_percent of each class in each
/// domain, rounded, at least one and never all; none of a class with one sample there. Drawn with
/// the names of class and domain, so that it depends on nothing else in the recipe.
std::vector<char> drawn_for_validation(const DataOptions& options, const Source& train);

/// Throws Error(data) if a class has no sample. `what` names the split in the message.
void check_every_class(const Source& source, std::string_view what);

}  // namespace patina

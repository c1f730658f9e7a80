#include "patina/data/views.h"

#include <algorithm>
#include <cmath>

#include "patina/base/error.h"
#include "patina/base/progress.h"
#include "patina/base/random.h"
#include "patina/base/thread_pool.h"

namespace patina {

namespace {

// A number for each pair of domain and class.
std::vector<int64_t> cells(const Source& source, int64_t value) {
  return std::vector<int64_t>(source.domains().size() * source.classes().size(), value);
}

size_t cell(const Source& source, int64_t i) {
  return size_t(source.domain(i)) * source.classes().size() + size_t(source.label(i));
}

// The first limits[cell] samples of each cell.
std::unique_ptr<Source> first_of_cells(std::unique_ptr<Source> source,
                                       const std::vector<int64_t>& limits) {
  std::vector<int64_t> taken = cells(*source, 0), kept;
  for (int64_t i = 0; i < source->size(); ++i) {
    const size_t at = cell(*source, i);
    if (taken[at]++ < limits[at]) kept.push_back(i);
  }
  return std::make_unique<Selection>(std::move(source), std::move(kept));
}

}  // namespace

std::unique_ptr<Source> first_of_each(std::unique_ptr<Source> source, int64_t count) {
  if (count == 0) return source;
  const auto limits = cells(*source, count);
  return first_of_cells(std::move(source), limits);
}

std::unique_ptr<Source> long_tail(std::unique_ptr<Source> source, double imbalance) {
  const size_t classes = source->classes().size();
  if (imbalance == 1 || classes < 2) return source;
  std::vector<int64_t> limits = cells(*source, 0);
  for (int64_t i = 0; i < source->size(); ++i) ++limits[cell(*source, i)];
  for (auto domain = limits.begin(); domain != limits.end(); domain += ptrdiff_t(classes)) {
    const double largest = double(*std::max_element(domain, domain + ptrdiff_t(classes)));
    for (size_t c = 0; c < classes; ++c) {
      const double share = std::pow(imbalance, double(c) / double(classes - 1));
      // A tolerance, so that integers with a rounding error are not rounded down.
      domain[ptrdiff_t(c)] =
          std::max(int64_t{1}, int64_t(std::floor(largest * share * (1 + 1e-12))));
    }
  }
  return first_of_cells(std::move(source), limits);
}

std::unique_ptr<Source> without_bad_images(std::unique_ptr<Source> source) {
  constexpr int64_t kBatch = 1024;  // the progress line is updated once per batch
  const int64_t size = source->size();
  std::vector<char> good(size);
  ThreadPool pool;
  Progress progress("checking images", size, "images");
  for (int64_t start = 0; start < size; start += kBatch) {
    const int64_t batch = std::min(kBatch, size - start);
    pool.for_each(batch, [&](int64_t i) {
      try {
        source->image(start + i);
        good[start + i] = true;
      } catch (const Error&) {
        // Skipped, as the option asks; skipped() has the number.
      }
    });
    progress.advance(batch);
  }
  std::vector<int64_t> kept;
  for (int64_t i = 0; i < size; ++i)
    if (good[i]) kept.push_back(i);
  const int64_t skipped = size - int64_t(kept.size());
  if (skipped == 0) return source;
  return std::make_unique<Selection>(std::move(source), std::move(kept), skipped);
}

namespace {

class Verbalized : public Source {
 public:
  explicit Verbalized(std::unique_ptr<Source> labelled) : labelled_(std::move(labelled)) {}

  int64_t size() const override { return labelled_->size(); }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  bool has_images() const override { return labelled_->has_images(); }
  Image image(int64_t i) const override { return labelled_->image(i); }
  Bytes encoded_image(int64_t i) const override { return labelled_->encoded_image(i); }
  Text text(int64_t i) const override { return labelled_->text(i); }
  AnswerKind answer_kind() const override { return AnswerKind::text; }
  Exchange exchange(int64_t i) const override {
    const Text text = labelled_->text(i);
    return {.turns = {{"user", text.first}},
            .input = text.second,
            .answers = {labelled_->classes()[size_t(labelled_->label(i))]}};
  }
  std::string origin(int64_t i) const override { return labelled_->origin(i); }
  const std::vector<std::string>& classes() const override {
    static const std::vector<std::string> one = {"answers"};
    return one;
  }
  const std::vector<std::string>& domains() const override { return labelled_->domains(); }
  int64_t domain(int64_t i) const override { return labelled_->domain(i); }

 private:
  std::unique_ptr<Source> labelled_;
};

}  // namespace

std::unique_ptr<Source> verbalized(std::unique_ptr<Source> source) {
  return std::make_unique<Verbalized>(std::move(source));
}

std::vector<char> drawn_for_test(const DataOptions& options, const std::string& name,
                                 int64_t count) {
  PATINA_REQUIRE(count >= 2, "{} samples to split", count);
  const int64_t tested = std::clamp(int64_t(std::llround(double(count) * options.test_fraction)),
                                    int64_t{1}, count - 1);
  const auto order = Seeds(uint64_t(options.split_seed))("split/" + name).permutation(count);
  std::vector<char> drawn(size_t(count), false);
  for (int64_t i = 0; i < tested; ++i) drawn[size_t(order[size_t(i)])] = true;
  return drawn;
}

std::vector<char> drawn_for_validation(const DataOptions& options, const Source& train) {
  std::vector<std::vector<int64_t>> members(cells(train, 0).size());
  for (int64_t i = 0; i < train.size(); ++i) members[cell(train, i)].push_back(i);
  const Seeds seeds(uint64_t(options.split_seed));
  std::vector<char> drawn(size_t(train.size()), false);
  for (size_t at = 0; at < members.size(); ++at) {
    const auto count = int64_t(members[at].size());
    if (count < 2) continue;
    const int64_t held =
        std::clamp(int64_t(std::llround(double(count) * options.validation_percent / 100)),
                   int64_t{1}, count - 1);
    const size_t classes = train.classes().size();
    const auto order = seeds(fmt::format("validation/{}/{}", train.domains()[at / classes],
                                         train.classes()[at % classes]))
                           .permutation(count);
    for (int64_t i = 0; i < held; ++i) drawn[size_t(members[at][size_t(order[size_t(i)])])] = true;
  }
  return drawn;
}

void check_every_class(const Source& source, std::string_view what) {
  std::vector<char> met(source.classes().size());
  for (int64_t i = 0; i < source.size(); ++i) met[source.label(i)] = true;
  for (size_t c = 0; c < met.size(); ++c)
    if (!met[c])
      fail(ErrorKind::data, "{}: class \"{}\" has no {}", what, source.classes()[c],
           source.is_text() ? "texts" : "images");
}

}  // namespace patina

#include "patina/session/sources.h"

#include <algorithm>
#include <utility>

#include "patina/base/error.h"
#include "patina/data/files.h"
#include "patina/ops.h"

namespace patina {

namespace {

/// Samples with labels that are valid class numbers.
class Labelled : public Source {
 public:
  Labelled(int64_t size, std::vector<int64_t> labels, std::vector<std::string> classes)
      : labels_(std::move(labels)), classes_(std::move(classes)) {
    check_class_names(classes_, "the classes");
    if (int64_t(labels_.size()) != size)
      fail(ErrorKind::data, "{} samples with {} labels", size, labels_.size());
    for (const int64_t label : labels_)
      if (label < 0 || label >= int64_t(classes_.size()))
        fail(ErrorKind::data, "a label is {}, and there are {} classes", label, classes_.size());
  }

  int64_t size() const override { return int64_t(labels_.size()); }
  int64_t label(int64_t i) const override { return labels_.at(size_t(i)); }
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
};

/// Images as [N,H,W,3] uint8.
Tensor pixels_of(const Tensor& given) {
  if (!given.defined()) fail(ErrorKind::data, "the images are an undefined tensor");
  const Tensor images = given.dim() == 3 ? given.unsqueeze(0) : given;
  if (images.dim() != 4 || images.size(1) != 3)
    fail(ErrorKind::data, "images are [N,3,H,W] or one [3,H,W], and these are {}",
         shape_text(given.sizes()));
  if (images.size(2) < 1 || images.size(3) < 1 || images.size(2) > kLargestSide ||
      images.size(3) > kLargestSide)
    fail(ErrorKind::data, "images have sides of 1 to {} pixels, and these are {}", kLargestSide,
         shape_text(given.sizes()));
  NoGrad no_grad;
  Tensor rows = images.detach().to(at::kCPU).permute({0, 2, 3, 1}).contiguous();
  // A source has pixels of its own: the caller's may be gone when they are read.
  if (rows.scalar_type() == at::kByte) return rows.is_alias_of(given) ? rows.clone() : rows;
  if (!rows.is_floating_point())
    fail(ErrorKind::data, "images are uint8, or float in [0, 1]; these are of another type");
  const Tensor values = rows.to(at::kFloat);
  // Resampling may leave values slightly outside; normalised values are far outside.
  constexpr double kSlack = 0.01;
  if (values.numel() > 0 && !(values.ge(-kSlack) & values.le(1 + kSlack)).all().item<bool>())
    fail(ErrorKind::data,
         "float images must have values in [0, 1], and these have others: pass uint8 images, or "
         "divide values of 0 to 255 by 255 and do not normalise them");
  return (values.clamp(0, 1) * 255 + 0.5).to(at::kByte);
}

class ImageTensor : public Labelled {
 public:
  ImageTensor(Tensor pixels, std::vector<int64_t> labels, std::vector<std::string> classes)
      : Labelled(pixels.size(0), std::move(labels), std::move(classes)),
        pixels_(std::move(pixels)) {}

  Image image(int64_t i) const override {
    Image image(int(pixels_.size(1)), int(pixels_.size(2)));
    const uint8_t* from = pixels_.data_ptr<uint8_t>() + i * int64_t(image.pixels.size());
    std::copy(from, from + image.pixels.size(), image.pixels.begin());
    return image;
  }
  std::string origin(int64_t i) const override { return fmt::format("image {}", i); }

 private:
  Tensor pixels_;  // [N,H,W,3] uint8
};

class ImageFiles : public Labelled {
 public:
  ImageFiles(std::vector<fs::path> files, std::vector<int64_t> labels,
             std::vector<std::string> classes)
      : Labelled(int64_t(files.size()), std::move(labels), std::move(classes)),
        files_(std::move(files)) {}

  Image image(int64_t i) const override { return read_image(files_.at(size_t(i))); }
  Bytes encoded_image(int64_t i) const override { return read_file(files_.at(size_t(i))); }
  std::string origin(int64_t i) const override { return files_.at(size_t(i)).string(); }

 private:
  std::vector<fs::path> files_;
};

class ListedTexts : public Labelled {
 public:
  ListedTexts(std::vector<Text> texts, std::vector<int64_t> labels,
              std::vector<std::string> classes)
      : Labelled(int64_t(texts.size()), std::move(labels), std::move(classes)),
        texts_(std::move(texts)) {}

  bool is_text() const override { return true; }
  Text text(int64_t i) const override { return texts_.at(size_t(i)); }
  std::string origin(int64_t i) const override { return fmt::format("text {}", i); }

 private:
  std::vector<Text> texts_;
};

class Prompts : public Source {
 public:
  Prompts(std::vector<Exchange> asked, std::vector<std::string> origins,
          std::vector<fs::path> images)
      : asked_(std::move(asked)), origins_(std::move(origins)), images_(std::move(images)) {
    if (!images_.empty() && images_.size() != asked_.size())
      fail(ErrorKind::data, "{} prompts with {} images", asked_.size(), images_.size());
    if (!origins_.empty() && origins_.size() != asked_.size())
      fail(ErrorKind::data, "{} prompts with {} origins", asked_.size(), origins_.size());
    for (size_t i = 0; i < asked_.size(); ++i)
      if (asked_[i].turns.empty() || asked_[i].turns.back().role != "user")
        fail(ErrorKind::data, "{}: a prompt ends with a turn of the user", origin(int64_t(i)));
  }

  int64_t size() const override { return int64_t(asked_.size()); }
  int64_t label(int64_t) const override { return 0; }
  bool is_text() const override { return true; }
  bool has_images() const override { return !images_.empty(); }
  Image image(int64_t i) const override { return read_image(images_.at(size_t(i))); }
  Text text(int64_t i) const override {
    const Exchange& one = asked_.at(size_t(i));
    return {one.turns.back().content, one.input};
  }
  AnswerKind answer_kind() const override { return AnswerKind::text; }
  Exchange exchange(int64_t i) const override { return asked_.at(size_t(i)); }
  std::string origin(int64_t i) const override {
    return origins_.empty() ? fmt::format("prompt {}", i) : origins_.at(size_t(i));
  }
  const std::vector<std::string>& classes() const override {
    static const std::vector<std::string> one = {"answers"};
    return one;
  }

 private:
  std::vector<Exchange> asked_;
  std::vector<std::string> origins_;
  std::vector<fs::path> images_;
};

}  // namespace

std::shared_ptr<const Source> prompts(std::vector<Exchange> asked, std::vector<std::string> origins,
                                      std::vector<fs::path> images) {
  return std::make_shared<const Prompts>(std::move(asked), std::move(origins), std::move(images));
}

std::shared_ptr<const Source> text_prompts(const std::vector<std::string>& asked,
                                           const std::vector<std::string>& answers) {
  std::vector<Exchange> all;
  for (size_t i = 0; i < asked.size(); ++i) {
    Exchange& one =
        all.emplace_back(Exchange{.turns = {{"user", asked[i]}}, .input = "", .answers = {}});
    if (!answers.empty()) one.answers = {answers.at(i)};
  }
  return prompts(std::move(all));
}

std::shared_ptr<const Source> image_tensor(const Tensor& images, std::vector<int64_t> labels,
                                           std::vector<std::string> classes) {
  return std::make_shared<const ImageTensor>(pixels_of(images), std::move(labels),
                                             std::move(classes));
}

std::shared_ptr<const Source> image_files(std::vector<fs::path> files, std::vector<int64_t> labels,
                                          std::vector<std::string> classes) {
  return std::make_shared<const ImageFiles>(std::move(files), std::move(labels),
                                            std::move(classes));
}

std::shared_ptr<const Source> labelled_texts(std::vector<Text> texts, std::vector<int64_t> labels,
                                             std::vector<std::string> classes) {
  return std::make_shared<const ListedTexts>(std::move(texts), std::move(labels),
                                             std::move(classes));
}

std::shared_ptr<const LearnedSources> LearnedSources::with(std::shared_ptr<const Source> source,
                                                           std::vector<int64_t> numbers,
                                                           std::vector<std::string> classes) const {
  auto more = std::make_shared<LearnedSources>(*this);
  const int64_t first = size(), end = first + source->size();
  more->has_images_ = source->has_images();
  more->parts_.push_back({std::move(source), std::move(numbers), first, end});
  more->classes_ = std::move(classes);
  return more;
}

LearnedSources::Sample LearnedSources::sample(int64_t i) const {
  PATINA_REQUIRE(i >= 0 && i < size(), "sample {} of {}", i, size());
  if (i < absent_) {
    const auto kept = kept_ ? kept_->at(i) : std::nullopt;
    if (!kept)
      fail(ErrorKind::state,
           "sample {} is needed again, but it was learned before the artefact was saved, and is "
           "not among the samples in it: learn all tasks in one session",
           i);
    return {kept_.get(), *kept, kept_->label(*kept)};
  }
  const Part& part = *std::ranges::upper_bound(parts_, i, {}, &Part::end);
  const int64_t index = i - part.first;
  return {part.source.get(), index, part.numbers.at(size_t(part.source->label(index)))};
}

int64_t LearnedSources::label(int64_t i) const {
  return sample(i).label;
}

Image LearnedSources::image(int64_t i) const {
  const Sample own = sample(i);
  return own.source->image(own.index);
}

Bytes LearnedSources::encoded_image(int64_t i) const {
  const Sample own = sample(i);
  return own.source->encoded_image(own.index);
}

Text LearnedSources::text(int64_t i) const {
  const Sample own = sample(i);
  return own.source->text(own.index);
}

Exchange LearnedSources::exchange(int64_t i) const {
  const Sample own = sample(i);
  return own.source->exchange(own.index);
}

std::string LearnedSources::origin(int64_t i) const {
  const Sample own = sample(i);
  return own.source->origin(own.index);
}

Fingerprint LearnedSources::fingerprint(int64_t i) const {
  const Sample own = sample(i);
  return own.source->fingerprint(own.index);
}

uint64_t LearnedSources::mark(int64_t i) const {
  const Sample own = sample(i);
  return own.source->mark(own.index);
}

}  // namespace patina

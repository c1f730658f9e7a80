#include "bindings/python/samples.h"

#include <algorithm>
#include <vector>

#include "patina/data/class_names.h"
#include "patina/session/sources.h"
#include "patina/tensor.h"

namespace patina::python {

namespace {

using Numbers = std::optional<std::vector<int64_t>>;
using Names = std::vector<std::string>;

// Labels and classes of `count` samples; without labels all are of one class without a name.
struct Labels {
  std::vector<int64_t> numbers;
  Names classes;
  Labels(Numbers given, Names names, int64_t count)
      : numbers(given ? std::move(*given) : std::vector<int64_t>(size_t(count), 0)),
        classes(given ? std::move(names) : Names{"?"}) {}
};

// Images that a Python function reads: sample -> [H,W,3] uint8.
class ReadImages : public Source {
 public:
  ReadImages(py::function read, Labels labels)
      : read_(std::move(read)),
        labels_(std::move(labels.numbers)),
        classes_(std::move(labels.classes)) {
    for (const int64_t label : labels_)
      if (label < 0 || label >= int64_t(classes_.size()))
        fail(ErrorKind::data, "a label is {}, and there are {} classes", label, classes_.size());
  }

  int64_t size() const override { return int64_t(labels_.size()); }
  int64_t label(int64_t i) const override { return labels_.at(size_t(i)); }
  const Names& classes() const override { return classes_; }
  std::string origin(int64_t i) const override { return fmt::format("sample {}", i); }
  Image image(int64_t i) const override {
    const py::gil_scoped_acquire lock;
    const auto pixels = read_.get()(i).cast<Tensor>();
    if (pixels.dim() != 3 || pixels.size(2) != 3 || pixels.scalar_type() != at::kByte ||
        !pixels.is_cpu() || pixels.size(0) < 1 || pixels.size(1) < 1 ||
        pixels.size(0) > kLargestSide || pixels.size(1) > kLargestSide)
      fail(ErrorKind::data, "{}: an image is [H,W,3] uint8 with sides of 1 to {}, and this is {}",
           origin(i), kLargestSide, shape_text(pixels.sizes()));
    const Tensor rows = pixels.contiguous();
    Image image(int(rows.size(0)), int(rows.size(1)));
    std::copy_n(rows.data_ptr<uint8_t>(), image.pixels.size(), image.pixels.begin());
    return image;
  }

 private:
  Shared read_;
  std::vector<int64_t> labels_;
  Names classes_;
};

}  // namespace

std::shared_ptr<const Source> labelled(const Samples& samples) {
  PATINA_REQUIRE(samples.labelled, "these samples have no labels: pass `labels`");
  return samples.source;
}

void add_samples(py::module_& module) {
  py::class_<Samples>(module, "Samples")
      .def("__len__", [](const Samples& samples) { return samples.source->size(); })
      .def_readonly("labelled", &Samples::labelled)
      .def_property_readonly("classes", [](const Samples& s) { return s.source->classes(); })
      .def_property_readonly("texts", [](const Samples& s) { return s.source->is_text(); });
  module.def("images", [](const Tensor& images, Numbers numbers, Names classes) {
    const bool is_labelled = numbers.has_value();
    const int64_t count = images.dim() == 3 ? 1 : images.dim() == 4 ? images.size(0) : 0;
    Labels labels(std::move(numbers), std::move(classes), count);
    const py::gil_scoped_release free;
    return Samples{image_tensor(images, std::move(labels.numbers), std::move(labels.classes)),
                   is_labelled};
  });
  module.def("files", [](const Names& files, Numbers numbers, Names classes) {
    const bool is_labelled = numbers.has_value();
    Labels labels(std::move(numbers), std::move(classes), int64_t(files.size()));
    std::vector<fs::path> paths(files.begin(), files.end());
    return Samples{
        image_files(std::move(paths), std::move(labels.numbers), std::move(labels.classes)),
        is_labelled};
  });
  module.def("texts", [](const std::vector<std::pair<std::string, std::string>>& texts,
                         Numbers numbers, Names classes) {
    const bool is_labelled = numbers.has_value();
    Labels labels(std::move(numbers), std::move(classes), int64_t(texts.size()));
    std::vector<Text> all;
    for (const auto& [first, second] : texts) all.push_back({first, second});
    return Samples{
        labelled_texts(std::move(all), std::move(labels.numbers), std::move(labels.classes)),
        is_labelled};
  });
  module.def("read_images", [](py::function read, int64_t count, Numbers numbers, Names classes) {
    const bool is_labelled = numbers.has_value();
    return Samples{std::make_shared<ReadImages>(
                       std::move(read), Labels(std::move(numbers), std::move(classes), count)),
                   is_labelled};
  });
  module.def("exchanges", [](const Names& asked, const Names& answers) {
    return Samples{text_prompts(asked, answers), !answers.empty()};
  });
}

}  // namespace patina::python

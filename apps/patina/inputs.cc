#include "apps/patina/inputs.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "patina/base/error.h"
#include "patina/data/catalog.h"
#include "patina/data/files.h"
#include "patina/data/formats/texts.h"
#include "patina/data/image_folder.h"
#include "patina/data/views.h"

namespace patina::cli {

namespace {

// Image files as a source without labels.
class Files : public Source {
 public:
  explicit Files(std::vector<fs::path> files) : files_(std::move(files)) {}
  int64_t size() const override { return int64_t(files_.size()); }
  int64_t label(int64_t) const override { return 0; }
  Image image(int64_t i) const override { return read_sample(files_[size_t(i)]); }
  std::string origin(int64_t i) const override { return files_[size_t(i)].string(); }
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  std::vector<fs::path> files_;
  std::vector<std::string> classes_{"image"};
};

bool is_named_set(const std::string& name) {
  return find_data_set(name) != nullptr;
}

std::vector<fs::path> image_files(const std::vector<std::string>& inputs) {
  std::vector<fs::path> files;
  UnreadImages unread;
  for (const auto& input : inputs) {
    if (!fs::exists(input))
      fail(ErrorKind::file, "{}: neither a file, a folder nor a data set of `patina list datasets`",
           input);
    if (!fs::is_directory(input)) {
      files.emplace_back(input);
      continue;
    }
    const auto found = images_below(input, unread);
    files.insert(files.end(), found.begin(), found.end());
  }
  unread.tell(fmt::format("{}", fmt::join(inputs, ", ")));
  return files;
}

std::unique_ptr<Source> open_text_file(const InputArguments& arguments) {
  const std::string& path = arguments.paths.front();
  TextSplits splits = read_texts(path, arguments.fields);
  const auto found = splits.find(splits.contains("") ? "" : arguments.split);
  if (found == splits.end())
    fail(ErrorKind::data, "{}: there is no \"{}\" in it: choose another --split", path,
         arguments.split);
  TextTable& table = found->second;
  if (arguments.fields.label.empty())
    for (auto& record : table.records) record.label = "text";
  const LabelMap labels = LabelMap::of({&table});
  return std::make_unique<Texts>(std::move(table), labels);
}

std::unique_ptr<Source> open_image_files(const InputArguments& arguments) {
  std::unique_ptr<Source> files = std::make_unique<Files>(image_files(arguments.paths));
  if (arguments.skip_bad_images) files = without_bad_images(std::move(files));
  if (files->skipped() > 0)
    fmt::print("{} images that cannot be decoded are left out\n", files->skipped());
  return files;
}

}  // namespace

Inputs open_inputs(const InputArguments& arguments) {
  const std::string& first = arguments.paths.front();
  const bool named = is_named_set(first), text = !text_format(first).empty();
  if ((named || text) && arguments.paths.size() > 1)
    fail(ErrorKind::usage, "one {} at a time", named ? "data set" : "file of texts");
  if (named) {
    DataOptions options;
    options.name = first;
    DataSplits splits = open_data(options);
    return {std::move(arguments.split == "train" ? splits.train : splits.test), true, {}};
  }
  Inputs inputs{text ? open_text_file(arguments) : open_image_files(arguments),
                text && !arguments.fields.label.empty(),
                {}};
  for (int64_t i = 0; i < inputs.source->size(); ++i)
    inputs.origins.push_back(inputs.source->origin(i));
  return inputs;
}

}  // namespace patina::cli

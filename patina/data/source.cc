// The data sets patina knows by name: what each is, where its files usually lie, how it is opened.
#include "patina/data/source.h"

#include <algorithm>
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/data/cifar.h"
#include "patina/data/folder.h"
#include "patina/data/idx.h"
#include "patina/data/pixels.h"

namespace patina {

namespace {

// A data set of IDX files: the stems of its four files, without ".gz".
struct IdxFiles {
  std::string train_images, train_labels, test_images, test_labels;
};
const IdxFiles kMnistFiles{"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                           "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
const IdxFiles kUspsFiles{"usps-train-images-idx3-ubyte", "usps-train-labels-idx1-ubyte",
                          "usps-test-images-idx3-ubyte", "usps-test-labels-idx1-ubyte"};

// The file under its own name or gzipped; empty when neither is there.
fs::path plain_or_gzipped(const fs::path& folder, const std::string& name) {
  for (const char* end : {"", ".gz"})
    if (is_file(folder / (name + end))) return folder / (name + end);
  return {};
}

fs::path need(const fs::path& folder, const std::string& name) {
  fs::path found = plain_or_gzipped(folder, name);
  if (found.empty())
    fail(ErrorKind::data, "{}: missing (neither plain nor with .gz)", (folder / name).string());
  return found;
}

DataSplits open_idx_files(const fs::path& folder, const IdxFiles& files,
                          const std::vector<std::string>& classes) {
  return {"", open_idx(need(folder, files.train_images), need(folder, files.train_labels), classes),
          open_idx(need(folder, files.test_images), need(folder, files.test_labels), classes)};
}

std::vector<std::string> digits() {
  return {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
}

std::vector<std::string> clothes() {
  return {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
}

// Every character was drawn by the same 20 people, in their order; the last five are the test
// split.
DataSplits open_omniglot(const fs::path& folder) {
  constexpr int64_t kClasses = 964, kDrawings = 20, kTrained = 15;
  std::vector<std::string> classes;
  for (int64_t c = 0; c < kClasses; ++c) classes.push_back(fmt::format("character {}", c));
  const std::shared_ptr<const Source> all =
      open_idx(need(folder, "background-images28-idx3-ubyte"),
               need(folder, "background-labels-idx1-short"), classes);
  std::vector<int64_t> met(kClasses), train, test;
  for (int64_t i = 0; i < all->size(); ++i)
    (met[all->label(i)]++ < kTrained ? train : test).push_back(i);
  for (int64_t c = 0; c < kClasses; ++c)
    if (met[c] != kDrawings)
      fail(ErrorKind::data, "{}: {} has {} drawings, {} expected", folder.string(), classes[c],
           met[c], kDrawings);
  return {"", std::make_unique<Selection>(all, std::move(train)),
          std::make_unique<Selection>(all, std::move(test))};
}

struct DataSet {
  DataSetInfo info;
  std::string mark;       // a file that tells its folder; may be gzipped
  std::string subfolder;  // where the publisher's archive puts the files
  std::string place;      // where a package installs it; "": nowhere
  DataSplits (*open)(const fs::path& folder);
};

const std::vector<DataSet>& known() {
  static const std::vector<DataSet> sets = {
      {{"fashion-mnist", "clothing, 28x28 grey, 10 classes, 60000 / 10000",
        "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, "
        "t10k-labels-idx1-ubyte.gz",
        "apt install dataset-fashion-mnist", 10},
       kMnistFiles.train_images,
       "",
       "/usr/share/datasets/fashion-mnist",
       [](const fs::path& folder) { return open_idx_files(folder, kMnistFiles, clothes()); }},
      {{"mnist", "handwritten digits, 28x28 grey, 10 classes, 60000 / 10000",
        "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz, "
        "t10k-labels-idx1-ubyte.gz",
        "http://yann.lecun.com/exdb/mnist/ or a mirror of it", 10},
       kMnistFiles.train_images,
       "",
       "",
       [](const fs::path& folder) { return open_idx_files(folder, kMnistFiles, digits()); }},
      {{"usps", "handwritten digits, 16x16 grey, 10 classes, 7291 / 2007",
        "usps-train-images-idx3-ubyte.gz, usps-train-labels-idx1-ubyte.gz, "
        "usps-test-images-idx3-ubyte.gz, usps-test-labels-idx1-ubyte.gz",
        "Hull (1994), repacked as IDX files", 10},
       kUspsFiles.train_images,
       "",
       "",
       [](const fs::path& folder) { return open_idx_files(folder, kUspsFiles, digits()); }},
      {{"omniglot", "handwritten characters, 28x28 grey, 964 classes (background), 14460 / 4820",
        "background-images28-idx3-ubyte.gz, background-labels-idx1-short.gz",
        "https://github.com/brendenlake/omniglot, scaled to 28x28 and repacked as IDX files", 964},
       "background-images28-idx3-ubyte",
       "",
       "",
       open_omniglot},
      {{"cifar10", "photographs, 32x32 colour, 10 classes, 50000 / 10000",
        "data_batch_1.bin to data_batch_5.bin, test_batch.bin, batches.meta.txt",
        "the binary version of https://www.cs.toronto.edu/~kriz/cifar.html", 10},
       "data_batch_1.bin",
       "cifar-10-batches-bin",
       "",
       open_cifar10},
      {{"cifar100", "photographs, 32x32 colour, 100 classes, 50000 / 10000",
        "train.bin, test.bin, fine_label_names.txt",
        "the binary version of https://www.cs.toronto.edu/~kriz/cifar.html", 100},
       "train.bin",
       "cifar-100-binary",
       "",
       open_cifar100},
  };
  return sets;
}

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const auto& info : data_sets()) result.push_back(info.name);
  return result;
}

std::string unknown_name(const std::string& name) {
  return fmt::format("no data set is called \"{}\"{}; `patina list datasets` shows them all", name,
                     did_you_mean(name, names()));
}

// The folder that holds the set's files: the one the user named, or the first usual one that has
// them.
fs::path find_folder(const DataSet& set, const std::string& path) {
  std::vector<fs::path> places;
  if (!path.empty()) {
    places.emplace_back(path);
  } else {
    if (!set.place.empty()) places.emplace_back(set.place);
    if (const char* data = std::getenv("PATINA_DATA"); data && *data)
      places.push_back(fs::path(data) / set.info.name);
  }
  std::string searched;
  for (const auto& place : places) {
    if (!plain_or_gzipped(place, set.mark).empty()) return place;
    if (!set.subfolder.empty() && !plain_or_gzipped(place / set.subfolder, set.mark).empty())
      return place / set.subfolder;
    searched += fmt::format("\n  {}", place.string());
  }
  if (searched.empty()) searched = "\n  nowhere: neither data.path nor $PATINA_DATA is set";
  fail(ErrorKind::data,
       "data set {} not found; searched{}\nIt needs {}.\nGet it: {}. Then set data.path to its "
       "folder, "
       "or put it in $PATINA_DATA/{}.",
       set.info.name, searched, set.info.files, set.info.how, set.info.name);
}

DataSplits open_named(const DataOptions& options) {
  if (options.name == "folder") {
    if (options.path.empty())
      fail(ErrorKind::data,
           "data.path is empty; set it to the folder that holds the class folders");
    return open_image_folder(options.path, options);
  }
  const auto set =
      std::ranges::find(known(), options.name, [](const DataSet& set) { return set.info.name; });
  if (set == known().end()) fail(ErrorKind::data, "{}", unknown_name(options.name));
  return set->open(find_folder(*set, options.path));
}

std::unique_ptr<Source> prepare(std::unique_ptr<Source> source, const DataOptions& options,
                                int64_t per_class, std::string_view split) {
  // Only a folder's files can fail to decode: the others were checked whole when they were read.
  if (options.skip_bad_images && options.name == "folder")
    source = without_bad_images(std::move(source));
  check_every_class(*source, fmt::format("{}, {} split", options.name, split));
  return first_of_each(std::move(source), per_class);
}

}  // namespace

void DataOptions::bind(Fields& f) {
  f("name", name,
    "The data set: a name of `patina list datasets`, or \"folder\" for image folders.");
  f("path", path,
    "Folder that holds the data set's files; empty searches the usual places and $PATINA_DATA.");
  f("train_per_class", train_per_class, "Train on the first N images of each class; 0 takes all.",
    at_least(0));
  f("test_per_class", test_per_class, "Test on the first N images of each class; 0 takes all.",
    at_least(0));
  f("test_fraction", test_fraction,
    "Part of each class that becomes the test split, for image folders without train/ and test/.",
    {.low = 0, .high = 1, .low_open = true, .high_open = true});
  f("split_seed", split_seed, "Seed of that split.", at_least(0));
  f("skip_bad_images", skip_bad_images,
    "Decode every image of a folder once at the start, and leave out and count those that cannot "
    "be; "
    "otherwise a bad image stops the run when it is met.");
  const auto all = names();
  f.require(name.empty() || std::ranges::count(all, name) > 0, "name", unknown_name(name));
}

const std::vector<DataSetInfo>& data_sets() {
  static const std::vector<DataSetInfo> infos = [] {
    std::vector<DataSetInfo> result;
    for (const auto& set : known()) result.push_back(set.info);
    result.push_back(
        {"folder", "your own images, one folder a class",
         "train/ and test/ (or val/, valid/) with class folders of JPEG and PNG files in "
         "each, or class folders only",
         "set data.path to the folder", 0});
    return result;
  }();
  return infos;
}

DataSplits open_data(const DataOptions& options) {
  if (options.name.empty())
    fail(ErrorKind::data, "data.name is empty; `patina list datasets` shows what it may be");
  DataSplits splits = open_named(options);
  splits.name = options.name;
  splits.train = prepare(std::move(splits.train), options, options.train_per_class, "train");
  splits.test = prepare(std::move(splits.test), options, options.test_per_class, "test");
  return splits;
}

}  // namespace patina

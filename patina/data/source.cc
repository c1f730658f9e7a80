// The data sets patina knows by name: what each is, where its files usually lie, how it is opened.
#include "patina/data/source.h"

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "patina/base/error.h"
#include "patina/data/cifar.h"
#include "patina/data/class_names.h"
#include "patina/data/folder.h"
#include "patina/data/idx.h"
#include "patina/data/pixels.h"
#include "patina/data/table.h"
#include "patina/data/text_sets.h"
#include "patina/data/texts.h"

namespace patina {

Image Source::image(int64_t i) const {
  PATINA_CHECK(false, "sample {} is a text", i);
  return {};
}

Text Source::text(int64_t i) const {
  PATINA_CHECK(false, "sample {} is an image", i);
  return {};
}

const std::vector<std::string>& Source::domains() const {
  static const std::vector<std::string> one = {""};
  return one;
}

Fingerprint Source::fingerprint(int64_t i) const {
  ContentHash hash;
  if (is_text()) {
    const Text sample = text(i);
    hash.add("text");
    hash.add(sample.first);
    hash.add(sample.second);
  } else {
    const Image sample = image(i);
    hash.add(fmt::format("image {}x{}", sample.height, sample.width));
    hash.add(sample.pixels.data(), sample.pixels.size());
  }
  return hash.words();
}

Fingerprint sample_key(ContentHash made_by, const Source& source, int64_t sample) {
  const Fingerprint fingerprint = source.fingerprint(sample);
  made_by.add(fingerprint.data(), sizeof fingerprint);
  return made_by.words();
}

namespace {

// A data set of IDX files: the stems of its four files, without ".gz".
struct IdxFiles {
  std::string train_images, train_labels, test_images, test_labels;
};
const IdxFiles kMnistFiles{"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                           "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
const IdxFiles kUspsFiles{"usps-train-images-idx3-ubyte", "usps-train-labels-idx1-ubyte",
                          "usps-test-images-idx3-ubyte", "usps-test-labels-idx1-ubyte"};

DataSplits open_idx_files(const fs::path& folder, const IdxFiles& files,
                          const std::vector<std::string>& classes) {
  return {"",
          open_idx(need_file(folder, files.train_images), need_file(folder, files.train_labels),
                   classes),
          open_idx(need_file(folder, files.test_images), need_file(folder, files.test_labels),
                   classes)};
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
      open_idx(need_file(folder, "background-images28-idx3-ubyte"),
               need_file(folder, "background-labels-idx1-short"), classes);
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
  std::function<DataSplits(const fs::path& folder)> open;
  std::string family = {};  // sets that share a folder of this name in $PATINA_DATA

  const std::string& shelf() const { return family.empty() ? info.name : family; }
};

// One of the five sets that text streams are made of (de Masson d'Autume et al., NeurIPS 2019),
// each as lines of JSON.
DataSet labelled_jsonl(const char* name, const char* about, int64_t classes) {
  return {{name, fmt::format("{}; as many texts as its files hold", about),
           fmt::format("{0}.train.jsonl, {0}.test.jsonl with `text` and `label`, {0}.labels.json",
                       name),
           "write the publisher's files as JSON Lines", classes},
          fmt::format("{}.train.jsonl", name),
          "",
          "",
          [name](const fs::path& folder) { return open_labelled_jsonl(folder, name); },
          "five_textcls"};
}

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
      {{"clinc150", "intents of short queries, 150 classes, 15000 / 4500", "data_full.json",
        "https://github.com/clinc/oos-eval", 150},
       "data_full.json",
       "data",
       "",
       open_clinc150},
      {{"banking77", "intents of questions to a bank, 77 classes, 10003 / 3080",
        "train.csv, test.csv, categories.json",
        "https://github.com/PolyAI-LDN/task-specific-datasets, banking_data", 77},
       "categories.json",
       "banking_data",
       "",
       open_banking77},
      {{"snips", "intents of voice commands, 7 classes, 13084 / 700",
        "train/ and test/ with seq.in and label in each",
        "https://github.com/MiuLab/SlotGated-SLU, data/snips", 7},
       "train/seq.in",
       "",
       "",
       open_snips},
      labelled_jsonl("agnews", "news by topic, 4 classes", 4),
      labelled_jsonl("amazon", "product reviews by stars, 5 classes", 5),
      labelled_jsonl("dbpedia", "encyclopedia entries by kind of thing, 14 classes", 14),
      labelled_jsonl("yahoo", "questions by topic, 10 classes", 10),
      labelled_jsonl("yelp", "reviews of places by stars, 5 classes", 5),
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
      places.push_back(fs::path(data) / set.shelf());
  }
  std::string searched;
  for (const auto& place : places) {
    if (!find_file(place, set.mark).empty()) return place;
    if (!set.subfolder.empty() && !find_file(place / set.subfolder, set.mark).empty())
      return place / set.subfolder;
    searched += fmt::format("\n  {}", place.string());
  }
  if (searched.empty()) searched = "\n  nowhere: neither data.path nor $PATINA_DATA is set";
  fail(ErrorKind::data,
       "data set {} not found; searched{}\nIt needs {}.\nGet it: {}. Then set data.path to its "
       "folder, "
       "or put it in $PATINA_DATA/{}.",
       set.info.name, searched, set.info.files, set.info.how, set.shelf());
}

DataSplits open_named(const DataOptions& options) {
  if (options.name == "folder") {
    if (options.path.empty())
      fail(ErrorKind::data,
           "data.path is empty; set it to the folder that holds the class folders");
    return open_image_folder(options.path, options);
  }
  if (options.name == "text") {
    if (options.path.empty())
      fail(ErrorKind::data,
           "data.path is empty; set it to a file of texts or the folder of train.* and test.*");
    return open_texts(options.path, options);
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
    "The data set: a name of `patina list datasets`, \"folder\" for image folders, or \"text\" for "
    "your own texts.");
  f("path", path,
    "Folder that holds the data set's files, or a file of texts; empty searches the usual places "
    "and $PATINA_DATA.");
  f("train_per_class", train_per_class, "Train on the first N samples of each class; 0 takes all.",
    at_least(0));
  f("test_per_class", test_per_class, "Test on the first N samples of each class; 0 takes all.",
    at_least(0));
  f("test_fraction", test_fraction,
    "Part of each class that becomes the test split, for image folders without train/ and test/ "
    "and for texts in one file.",
    {.low = 0, .high = 1, .low_open = true, .high_open = true});
  f("split_seed", split_seed, "Seed of that split.", at_least(0));
  f("class_names", class_names,
    "A JSON file of class names, in the order of the data's classes, instead of the data set's "
    "own.");
  f("class_names_set", class_names_set, "The set of that file, for example \"cifar100\".");
  f("skip_bad_images", skip_bad_images,
    "Decode every image of a folder once at the start, and leave out and count those that cannot "
    "be; "
    "otherwise a bad image stops the run when it is met.");
  f("text", text,
    "For \"text\": the column or field of the texts; a number from 0 if the table has no header.");
  f("text_pair", text_pair, "The column of each text's second part; empty: there is none.");
  f("label", label, "The column of the labels.");
  f("labels", labels,
    "A JSON file beside the texts: a list of class names, or an object from label to name or from "
    "name to number; empty: the labels that occur, sorted.");
  std::vector<std::string> formats = text_formats();
  formats.insert(formats.begin(), "");
  f("format", format, "How the texts are written; empty: by the files' names.", formats);
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
    result.push_back({"text", "your own texts, in CSV, TSV, JSON, JSON Lines or plain lines",
                      "train.csv and test.csv (or .tsv, .json, .jsonl, .txt with .labels; val, "
                      "valid), or one file; plain or gzipped",
                      "set data.path to the folder or the file", 0});
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
  if (!options.class_names.empty()) {
    const auto names = read_class_names(options.class_names, options.class_names_set);
    for (auto* split : {&splits.train, &splits.test}) *split = renamed(std::move(*split), names);
  }
  return splits;
}

}  // namespace patina

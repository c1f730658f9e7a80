// The data sets with a name: what each is, where its files are expected, how it is opened.
#include "patina/data/catalog.h"

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>
#include <set>

#include "patina/base/error.h"
#include "patina/data/domains.h"
#include "patina/data/files.h"
#include "patina/data/formats/cifar.h"
#include "patina/data/formats/folder.h"
#include "patina/data/formats/idx.h"
#include "patina/data/formats/instructions.h"
#include "patina/data/formats/passages.h"
#include "patina/data/formats/table.h"
#include "patina/data/formats/text_sets.h"
#include "patina/data/formats/texts.h"
#include "patina/data/formats/visual_questions.h"
#include "patina/data/prepared.h"
#include "patina/data/views.h"

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

struct DataSet {
  DataSetInfo info;
  std::string mark;       // a file that identifies the folder; may be gzipped
  std::string subfolder;  // where the publisher's archive puts the files
  std::string place;      // where a package installs it; "": no package
  std::function<DataSplits(const fs::path& folder)> open;
  std::string family = {};  // sets that share a folder of this name in $PATINA_DATA
  // For a set of several domains, in the place of `open`.
  std::function<std::vector<DataSplits>(const fs::path& folder)> open_domains = {};

  const std::string& shelf() const { return family.empty() ? info.name : family; }
};

// One of the five sets of the usual text stream (de Masson d'Autume et al., NeurIPS 2019), as JSON
// Lines.
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

// FewRel with few samples of most relations.
DataSet few_shot_relations(int shots) {
  const std::string part = fmt::format("CFRLdata_10_100_10_{}", shots);
  return {{fmt::format("fewrel_{}shot", shots),
           fmt::format("relations of two entities in a sentence, 80 classes: 10 of 100 texts, then "
                       "70 of {}; / 8000",
                       shots),
           fmt::format("relation_name.txt, rel_index.npy and, in {}/, train_0.txt, test_0.txt, "
                       "rel_cluster_label_0.npy",
                       part),
           "https://github.com/qcwthu/Continual_Fewshot_Relation_Learning, data/fewrel", 80},
          part + "/train_0.txt",
          "data/fewrel",
          "",
          [shots](const fs::path& folder) { return open_few_shot_relations(folder, shots); },
          "cfrl_fewrel"};
}

// easy-VQA under one of its two divisions into domains.
DataSet visual_questions(const char* name, const char* domains,
                         DataSplits (*open)(const fs::path&)) {
  return {{name, fmt::format("questions about one shape an image, 13 answers, {}", domains),
           "train.images.tar.gz, train.questions.json, test.images.tar.gz, test.questions.json",
           "https://github.com/vzhou842/easy-VQA, easy_vqa/data: the folders train/images and "
           "test/images as archives",
           13},
          "train.questions.json",
          "",
          "",
          open,
          "easy_vqa"};
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
        "data_batch_1.bin to data_batch_5.bin, test_batch.bin",
        "the binary version of https://www.cs.toronto.edu/~kriz/cifar.html", 10},
       "data_batch_1.bin",
       "cifar-10-batches-bin",
       "",
       open_cifar10},
      {{"cifar100", "photographs, 32x32 colour, 100 classes, 50000 / 10000", "train.bin, test.bin",
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
      {{"asc",
        "sentiment towards an aspect of a product, 19 domains, 2 classes and in two domains a "
        "third",
        "Bing3Domains/, Bing5Domains/, Bing9Domains/, XuSemEval/ with asc/.../train.json and "
        "test.json",
        "https://github.com/ZixuanKe/LifelongSentClass, dat", 3},
       "Bing3Domains/asc/Computer/train.json",
       "dat",
       "",
       nullptr,
       {},
       open_aspect_sentiment},
      few_shot_relations(2),
      few_shot_relations(5),
      few_shot_relations(10),
      labelled_jsonl("agnews", "news by topic, 4 classes", 4),
      labelled_jsonl("amazon", "product reviews by stars, 5 classes", 5),
      labelled_jsonl("dbpedia", "encyclopedia entries by kind of thing, 14 classes", 14),
      labelled_jsonl("yahoo", "questions by topic, 10 classes", 10),
      labelled_jsonl("yelp", "reviews of places by stars, 5 classes", 5),
      visual_questions("easy_vqa", "4 domains by what is asked for, 38575 / 9673", open_easy_vqa),
      visual_questions("easy_vqa_colors", "8 domains by the color of the shape, 36414 / 9073",
                       open_easy_vqa_colors),
  };
  return sets;
}

// Data of one's own: what data.path names, in these forms.
struct OwnData {
  std::string_view name;
  const char* path;  // what it is
  DataSplits (*open)(const fs::path& path, const DataOptions& options);
};
constexpr OwnData kOwnData[] = {
    {"folder", "the folder that holds the class folders", open_image_folder},
    {"text", "a file of texts or the folder of train.* and test.*", open_texts},
    {"instructions", "the folder of train.* and test.*, or to the folder that holds data.sets",
     open_instructions},
    {"passages", "the folder of train.* and test.*, or to the folder that holds data.sets",
     open_passages},
    {"visual_questions", "the folder of train.jsonl, test.jsonl and the images",
     open_visual_questions}};

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const auto& info : data_sets()) result.push_back(info.name);
  return result;
}

std::string unknown_name(const std::string& name) {
  return fmt::format("no data set is called \"{}\"{}; `patina list datasets` shows them all", name,
                     did_you_mean(name, names()));
}

// Splits "mnist+usps" into both names.
std::vector<std::string> sets_of(const std::string& name) {
  std::vector<std::string> sets(1);
  for (const char c : name) {
    if (c == '+')
      sets.emplace_back();
    else
      sets.back() += c;
  }
  return sets;
}

// Whether it is a set of several domains.
bool has_domains(const std::string& name) {
  return std::ranges::any_of(
      known(), [&](const DataSet& set) { return set.info.name == name && bool(set.open_domains); });
}

// A mistake in the options, independent of the files.
struct Mistake {
  const char* key;
  std::string message;
};

std::optional<Mistake> mistake_in_names(const DataOptions& options) {
  const auto sets = sets_of(options.name), all = names();
  std::set<std::string> met;
  for (const auto& set : sets) {
    if (set.empty() && sets.size() > 1)
      return Mistake{"name", fmt::format("\"{}\" lacks a data set beside a \"+\"", options.name)};
    if (!set.empty() && std::ranges::count(all, set) == 0)
      return Mistake{"name", unknown_name(set)};
    if (sets.size() > 1 && has_domains(set))
      return Mistake{"name", fmt::format("{} has domains of its own and stands alone", set)};
    if (sets.size() > 1 && std::ranges::count(kOwnData, set, &OwnData::name) > 0)
      return Mistake{"name", fmt::format("\"{}\" stands alone; only the sets that have a name of "
                                         "their own can be joined by \"+\"",
                                         set)};
    if (!met.insert(set).second)
      return Mistake{"name", fmt::format("{} is there twice; name each set once", set)};
  }
  return {};
}

std::optional<Mistake> mistake_in_domains(const DataOptions& options) {
  if (options.domains == "folders" && options.name != "folder")
    return Mistake{
        "domains",
        fmt::format("\"folders\" needs data.name = \"folder\", which is \"{}\"", options.name)};
  if (!options.domains.empty() && sets_of(options.name).size() > 1)
    return Mistake{"domains", fmt::format("\"{}\" domains are made of one data set, and {} has its "
                                          "sets as domains; leave it empty, or name one set",
                                          options.domains, options.name)};
  if (!options.domains.empty() && has_domains(options.name))
    return Mistake{"domains",
                   fmt::format("{} has domains of its own; leave it empty", options.name)};
  if (!options.angles.empty() && options.domains != "rotated")
    return Mistake{"angles", "angles need data.domains = \"rotated\""};
  if (options.domain_padding != 0 && options.domains != "permuted")
    return Mistake{"domain_padding", "padding needs data.domains = \"permuted\""};
  std::set<std::string> met;
  for (const double angle : options.angles)
    if (const auto text = fmt::format("{:g}", angle); !met.insert(text).second)
      return Mistake{"angles",
                     fmt::format("{} is there twice; each domain has its own angle", text)};
  return {};
}

// The folder with the set's files: the one the user gave (a subfolder of it for joined sets), or
// the first of the usual places that has them.
fs::path find_folder(const DataSet& set, const std::string& path, bool is_joined) {
  std::vector<fs::path> places;
  if (!path.empty() && is_joined) {
    places.push_back(fs::path(path) / set.info.name);
    if (set.shelf() != set.info.name) places.push_back(fs::path(path) / set.shelf());
  } else if (!path.empty()) {
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
       "data set {} not found; searched{}\nIt needs {}.\nGet it: {}. Then set data.path to {}, "
       "or put it in $PATINA_DATA/{}.",
       set.info.name, searched, set.info.files, set.info.how,
       is_joined ? "the folder that holds it" : "its folder", set.shelf());
}

DataSplits open_named(const DataOptions& options) {
  if (const auto* own = std::ranges::find(kOwnData, options.name, &OwnData::name);
      own != std::end(kOwnData)) {
    if (options.path.empty()) fail(ErrorKind::data, "data.path is empty; set it to {}", own->path);
    return own->open(options.path, options);
  }
  const auto sets = sets_of(options.name);
  std::vector<DataSplits> parts;
  for (const auto& name : sets) {
    const auto set =
        std::ranges::find(known(), name, [](const DataSet& set) { return set.info.name; });
    const fs::path folder = find_folder(*set, options.path, sets.size() > 1);
    if (set->open_domains) return joined(set->open_domains(folder), options.shared_classes);
    parts.push_back(set->open(folder));
    parts.back().name = name;
    // Checked before joining: a class without samples might have the name of another set's class.
    if (sets.size() > 1) check_splits(parts.back(), options);
  }
  return parts.size() > 1 ? joined(std::move(parts), options.shared_classes)
                          : std::move(parts.front());
}

}  // namespace

void DataOptions::bind(Fields& f) {
  f("name", name,
    "The data set: a name of `patina list datasets`, several joined by \"+\" that become domains, "
    "\"folder\" for image folders, \"text\" for your own labelled texts, \"instructions\" for "
    "prompts "
    "with answers, \"visual_questions\" for questions about your own images, or \"passages\" for "
    "plain text.");
  f("path", path,
    "Folder that holds the data set's files (or, of joined sets, their folders), or a file of "
    "texts; empty searches the usual places and $PATINA_DATA.");
  f("train_per_class", train_per_class,
    "Train on the first N samples of each class in each domain; 0 takes all.", at_least(0));
  f("test_per_class", test_per_class,
    "Test on the first N samples of each class in each domain; 0 takes all.", at_least(0));
  f("imbalance", imbalance,
    "Training samples of the smallest class over those of the largest, with the classes between "
    "them falling exponentially in the data's order (Cui et al., CVPR 2019); 1 keeps all.",
    {.low = 0, .high = 1, .low_open = true});
  f("test_fraction", test_fraction,
    "Part of each class that becomes the test split, for image folders without train/ and test/ "
    "and for texts in one file.",
    {.low = 0, .high = 1, .low_open = true, .high_open = true});
  f("split_seed", split_seed, "Seed of that split, and of the samples held out for validation.",
    at_least(0));
  f("validation_percent", validation_percent,
    "Hold out this part of each class's training samples, and evaluate on it in place of the test "
    "split, which is then not read: for choosing hyper-parameters. 0: train on all, and test.",
    {.low = 0, .high = 100, .high_open = true});
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
  f("sets", sets,
    "Of \"instructions\" and \"passages\": the sets below `path`, in the order of the stream, each "
    "a "
    "domain; empty: `path` is the only one.");
  f("instruction", instruction,
    "Of \"instructions\": the key of a record's instruction, the prompt.");
  f("input", input,
    "The key of what the instruction is about, which a record may lack; empty: there is none.");
  f("answer", answer, "The key of a record's answer: a text, or a list of texts.");
  f("messages", messages,
    "The key of a conversation, a list of messages with `role` and `content`, in place of the "
    "three.");
  f("passage_bytes", passage_bytes,
    "Of \"passages\": the largest number of bytes of a sample; each ends at a line's end if it "
    "can.",
    between(4, 1 << 20));
  f("verbalized", verbalized,
    "Of labelled texts: prompts that are answered by the names of their classes, for learners that "
    "answer with text.");
  f("shared_classes", shared_classes,
    "Of joined sets: classes of one name are one class; otherwise each set keeps its own, as "
    "\"usps: 3\".");
  f("domains", domains,
    "Empty: the domains the data have; \"permuted\" or \"rotated\": every image once in each "
    "domain, "
    "with its pixels so changed; \"folders\": of \"folder\" data, one folder of class folders a "
    "domain.",
    {"", "permuted", "rotated", "folders"});
  f("domain_count", domain_count,
    "How many permuted or rotated domains; the first is as the data are, and without `angles` "
    "domain i of n is rotated by 180 i / n degrees.",
    between(1, 1000));
  f("domain_padding", domain_padding,
    "Of permuted domains: black pixels added on every side, the first domain's too, before the "
    "pixels move. With 2, digits have 32 x 32, as in Hsu et al. (2018) and van de Ven and Tolias "
    "(2019).",
    between(0, 64));
  f("domain_seed", domain_seed, "Seed of the permutations and of `train_per_domain`.", at_least(0));
  f("angles", angles,
    "Of rotated domains: the angle of each in degrees, counter-clockwise, instead of "
    "`domain_count`.",
    between(-360, 360));
  f("train_per_domain", train_per_domain,
    "Train on N samples drawn of each domain, whatever their class; 0 takes all.", at_least(0));
  for (const auto& mistake : {mistake_in_names(*this), mistake_in_domains(*this)})
    if (mistake) f.require(false, mistake->key, mistake->message);
}

const std::vector<DataSetInfo>& data_sets() {
  static const std::vector<DataSetInfo> infos = [] {
    std::vector<DataSetInfo> result;
    for (const auto& set : known()) result.push_back(set.info);
    result.push_back(
        {"folder", "your own images, one folder a class",
         "train/ and test/ (or val/, valid/) with class folders of JPEG and PNG files in "
         "each, or class folders only; or one such folder a domain (data.domains = \"folders\")",
         "set data.path to the folder", 0});
    result.push_back({"text", "your own texts, in CSV, TSV, JSON, JSON Lines or plain lines",
                      "train.csv and test.csv (or .tsv, .json, .jsonl, .txt with .labels; val, "
                      "valid), or one file; plain or gzipped",
                      "set data.path to the folder or the file", 0});
    result.push_back({"instructions", "your own prompts with answers, in JSON or JSON Lines",
                      "train.jsonl and test.jsonl (or .json; eval, dev, val, valid) in the folder, "
                      "or in a folder a set; plain or gzipped",
                      "set data.path to the folder", 0});
    result.push_back(
        {"passages", "your own plain text, to be modelled",
         "train.txt and test.txt in the folder, or <set>.train.txt and <set>.test.txt; "
         "plain or gzipped",
         "set data.path to the folder", 0});
    result.push_back({"visual_questions", "your own questions about images, in JSON Lines",
                      "train.jsonl and test.jsonl (eval, dev, val, valid; plain or gzipped) with "
                      "`image`, a path below the folder, `question`, `answer` and, if wanted, "
                      "`domain`",
                      "set data.path to the folder", 0});
    return result;
  }();
  return infos;
}

DataSplits open_data(const DataOptions& options) {
  if (options.name.empty())
    fail(ErrorKind::data, "data.name is empty; `patina list datasets` shows what it may be");
  for (const auto& mistake : {mistake_in_names(options), mistake_in_domains(options)})
    if (mistake) fail(ErrorKind::data, "data.{}: {}", mistake->key, mistake->message);
  DataSplits splits = open_named(options);
  splits.name = options.name;
  return prepared(std::move(splits), options);
}

}  // namespace patina

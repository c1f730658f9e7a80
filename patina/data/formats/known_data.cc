#include "patina/data/formats/known_data.h"

#include <fmt/format.h>

#include <algorithm>

#include "patina/data/files.h"
#include "patina/data/formats/cifar.h"
#include "patina/data/formats/folder.h"
#include "patina/data/formats/idx.h"
#include "patina/data/formats/instructions.h"
#include "patina/data/formats/passages.h"
#include "patina/data/formats/text_sets.h"
#include "patina/data/formats/texts.h"
#include "patina/data/formats/visual_questions.h"

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

// One of the five sets of the usual text stream (de Masson d'Autume et al., NeurIPS 2019), as JSON
// Lines.
KnownData labelled_jsonl(const char* name, const char* about, int64_t classes) {
  return {{name, fmt::format("{}; as many texts as its files hold", about),
           fmt::format("{0}.train.jsonl, {0}.test.jsonl with `text` and `label`, {0}.labels.json",
                       name),
           "write the publisher's files as JSON Lines", classes, /*texts=*/true},
          fmt::format("{}.train.jsonl", name),
          "",
          "",
          [name](const fs::path& folder) { return open_labelled_jsonl(folder, name); },
          "five_textcls"};
}

// FewRel with few samples of most relations.
KnownData few_shot_relations(int shots) {
  const std::string part = fmt::format("CFRLdata_10_100_10_{}", shots);
  return {{fmt::format("fewrel_{}shot", shots),
           fmt::format("relations of two entities in a sentence, 80 classes: 10 of 100 texts, then "
                       "70 of {}; / 8000",
                       shots),
           fmt::format("relation_name.txt, rel_index.npy and, in {}/, train_0.txt, test_0.txt, "
                       "rel_cluster_label_0.npy",
                       part),
           "https://github.com/qcwthu/Continual_Fewshot_Relation_Learning, data/fewrel", 80,
           /*texts=*/true},
          part + "/train_0.txt",
          "data/fewrel",
          "",
          [shots](const fs::path& folder) { return open_few_shot_relations(folder, shots); },
          "cfrl_fewrel"};
}

// easy-VQA under one of its two divisions into domains.
KnownData visual_questions(const char* name, const char* domains,
                           DataSplits (*open)(const fs::path&)) {
  return {{name, fmt::format("questions about one shape an image, 13 answers, {}", domains),
           "train.images.tar.gz, train.questions.json, test.images.tar.gz, test.questions.json",
           "https://github.com/vzhou842/easy-VQA, easy_vqa/data: the folders train/images and "
           "test/images as archives",
           13, /*texts=*/true},
          "train.questions.json",
          "",
          "",
          open,
          "easy_vqa"};
}

}  // namespace

const std::vector<KnownData>& known_data() {
  static const std::vector<KnownData> sets = {
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
        "https://github.com/clinc/oos-eval", 150, /*texts=*/true},
       "data_full.json",
       "data",
       "",
       open_clinc150},
      {{"banking77", "intents of questions to a bank, 77 classes, 10003 / 3080",
        "train.csv, test.csv, categories.json",
        "https://github.com/PolyAI-LDN/task-specific-datasets, banking_data", 77, /*texts=*/true},
       "categories.json",
       "banking_data",
       "",
       open_banking77},
      {{"snips", "intents of voice commands, 7 classes, 13084 / 700",
        "train/ and test/ with seq.in and label in each",
        "https://github.com/MiuLab/SlotGated-SLU, data/snips", 7, /*texts=*/true},
       "train/seq.in",
       "",
       "",
       open_snips},
      {{"asc",
        "sentiment towards an aspect of a product, 19 domains, 2 classes and in two domains a "
        "third",
        "Bing3Domains/, Bing5Domains/, Bing9Domains/, XuSemEval/ with asc/.../train.json and "
        "test.json",
        "https://github.com/ZixuanKe/LifelongSentClass, dat", 3, /*texts=*/true},
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

const std::vector<OwnData>& own_data() {
  static const char* const kFolders =
      "the folder of train.* and test.*, or to the folder that holds data.sets";
  static const std::vector<OwnData> forms = {
      {{"folder", "your own images, one folder a class",
        "train/ and test/ (or val/, valid/) with class folders of JPEG and PNG files in "
        "each, or class folders only; or one such folder a domain (data.domains = \"folders\")",
        "set data.path to the folder"},
       "the folder that holds the class folders",
       open_image_folder},
      {{"text", "your own texts, in CSV, TSV, JSON, JSON Lines or plain lines",
        "train.csv and test.csv (or .tsv, .json, .jsonl, .txt with .labels; val, "
        "valid), or one file; plain or gzipped",
        "set data.path to the folder or the file", 0, /*texts=*/true},
       "a file of texts or the folder of train.* and test.*",
       open_texts},
      {{"instructions", "your own prompts with answers, in JSON or JSON Lines",
        "train.jsonl and test.jsonl (or .json; eval, dev, val, valid) in the folder, "
        "or in a folder a set; plain or gzipped",
        "set data.path to the folder", 0, /*texts=*/true},
       kFolders,
       open_instructions},
      {{"passages", "your own plain text, to be modelled",
        "train.txt and test.txt in the folder, or <set>.train.txt and <set>.test.txt; "
        "plain or gzipped",
        "set data.path to the folder", 0, /*texts=*/true},
       kFolders,
       open_passages},
      {{"visual_questions", "your own questions about images, in JSON Lines",
        "train.jsonl and test.jsonl (eval, dev, val, valid; plain or gzipped) with "
        "`image`, a path below the folder, `question`, `answer` and, if wanted, `domain`",
        "set data.path to the folder", 0, /*texts=*/true},
       "the folder of train.jsonl, test.jsonl and the images",
       open_visual_questions}};
  return forms;
}

const OwnData* find_own(std::string_view name) {
  const auto own =
      std::ranges::find_if(own_data(), [&](const OwnData& form) { return form.info.name == name; });
  return own == own_data().end() ? nullptr : &*own;
}

}  // namespace patina

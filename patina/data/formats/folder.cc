// Image folders. Opening one lists files but decodes none.
#include "patina/data/formats/folder.h"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <set>
#include <unordered_map>

#include "patina/base/error.h"
#include "patina/data/domains.h"
#include "patina/data/files.h"
#include "patina/data/image_folder.h"
#include "patina/data/views.h"
#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// The files of one split, by class.
class FolderSource : public Source {
 public:
  FolderSource(fs::path root, std::vector<std::string> folders, std::vector<std::string> classes)
      : root_(std::move(root)), folders_(std::move(folders)), classes_(std::move(classes)) {}

  void add(int64_t label, std::string file) { samples_.push_back({label, std::move(file)}); }

  int64_t size() const override { return int64_t(samples_.size()); }
  int64_t label(int64_t i) const override { return samples_[i].label; }
  Image image(int64_t i) const override { return read_sample(path(i)); }
  Bytes encoded_image(int64_t i) const override { return read_file(path(i)); }
  // Hash of the file's bytes, which are read once.
  Fingerprint fingerprint(int64_t i) const override {
    {
      std::lock_guard lock(mutex_);
      if (const auto known = fingerprints_.find(i); known != fingerprints_.end())
        return known->second;
    }
    const Bytes bytes = read_file(path(i));
    ContentHash hash;
    hash.add("file");
    hash.add(bytes.data(), bytes.size());
    std::lock_guard lock(mutex_);
    return fingerprints_[i] = hash.words();
  }
  uint64_t mark(int64_t i) const override {
    std::error_code error;
    const auto bytes = fs::file_size(path(i), error);
    if (error) fail(ErrorKind::file, "{}: {}", path(i).string(), error.message());
    return bytes;
  }
  std::string origin(int64_t i) const override { return path(i).string(); }
  const std::vector<std::string>& classes() const override { return classes_; }

 private:
  struct Sample {
    int64_t label;
    std::string file;
  };

  fs::path path(int64_t i) const {
    const Sample& sample = samples_[i];
    return root_ / folders_[sample.label] / sample.file;
  }

  fs::path root_;
  std::vector<std::string> folders_, classes_;
  std::vector<Sample> samples_;
  mutable std::mutex mutex_;
  mutable std::unordered_map<int64_t, Fingerprint> fingerprints_;
};

// Readable names for class folders. Where two classes share a name (ImageNet has two cranes), the
// folder is added.
std::vector<std::string> readable_names(const fs::path& root,
                                        const std::vector<std::string>& folders) {
  std::vector<std::string> names = folders;
  const fs::path table = root / "classes.tsv";
  if (is_file(table)) {
    std::map<std::string, std::string> readable;
    for (const auto& row : read_tsv(table, 2))
      if (row.size() > 2) readable[row[1]] = row[2];
    for (auto& name : names)
      if (const auto found = readable.find(name); found != readable.end()) name = found->second;
    std::map<std::string, int> uses;
    for (const auto& name : names) ++uses[name];
    for (size_t i = 0; i < names.size(); ++i)
      if (uses[names[i]] > 1) names[i] = fmt::format("{} ({})", names[i], folders[i]);
  }
  check_class_names(names, root.string());
  return names;
}

std::vector<std::string> class_folders(const fs::path& root) {
  auto folders = folders_in(root);
  if (folders.empty())
    fail(ErrorKind::data,
         "{}: no class folders; expected one folder of images a class, or train/ and test/ with "
         "such "
         "folders in each",
         root.string());
  return folders;
}

std::unique_ptr<Source> list_split(const fs::path& split, const std::vector<std::string>& folders,
                                   const std::vector<std::string>& classes, UnreadImages& unread) {
  auto source = std::make_unique<FolderSource>(split, folders, classes);
  for (size_t c = 0; c < folders.size(); ++c)
    for (auto& file : class_images(split / folders[c], unread))
      source->add(int64_t(c), std::move(file));
  return source;
}

// Where the class folders are.
struct Splits {
  fs::path train;
  fs::path test;  // "": there is no test folder, train is to be split
};

// A folder that is meant as a split and is called otherwise ("Train", "testing"); "" if there is
// none. A class may be called "train": a split contains folders, a class contains images.
std::string misnamed_split(const fs::path& root, std::initializer_list<std::string_view> names) {
  for (const auto& folder : folders_in(root)) {
    std::string name = folder;
    std::ranges::transform(name, name.begin(),
                           [](unsigned char c) { return char(std::tolower(c)); });
    if (std::ranges::find(names, name) != names.end() && !folders_in(root / folder).empty() &&
        !holds_images(root / folder))
      return folder;
  }
  return "";
}

Splits find_splits(const fs::path& root) {
  const fs::path train = root / "train";
  if (!is_folder(train) || folders_in(train).empty()) {
    const std::string meant = misnamed_split(root, {"train", "training"});
    if (!meant.empty())
      fail(ErrorKind::data,
           "{}: holds {}/ with folders in it: a split is called train/ and test/ (or val/, valid/, "
           "validation/), in lower case; rename it",
           root.string(), meant);
    return {root, {}};
  }
  for (const char* name : kTestSplitNames)
    if (is_folder(root / name)) return {train, root / name};
  const std::string meant = misnamed_split(root, {"test", "testing", "val", "valid", "validation"});
  fail(ErrorKind::data, "{}: has train/ but no test/, val/, valid/ or validation/ beside it{}",
       root.string(), meant.empty() ? "" : fmt::format("; rename {}/", meant));
}

// Throws unless both folders have the same class folders.
void check_same_classes(const fs::path& one, const fs::path& other) {
  const auto ones = class_folders(one), others = class_folders(other);
  check_class_names(ones, one.string());
  check_class_names(others, other.string());
  const auto need_each = [](const auto& these, const fs::path& where, const auto& those,
                            const fs::path& missing) {
    const auto composed = [](const std::string& name) { return normalized(name, NormalForm::nfc); };
    for (const auto& name : these) {
      if (std::ranges::binary_search(those, name)) continue;
      const bool looks_alike = std::ranges::find(those, composed(name), composed) != those.end();
      fail(ErrorKind::data, "{}: class \"{}\" is missing; it is in {}{}", missing.string(), name,
           where.string(),
           looks_alike ? "; its name here looks the same, but is written with other characters "
                         "(Unicode's composed and decomposed forms): rename one of them"
                       : "");
    }
  };
  need_each(ones, one, others, other);
  need_each(others, other, ones, one);
}

DataSplits split_classes(const fs::path& root, const std::vector<std::string>& folders,
                         const std::vector<std::string>& classes, const DataOptions& options,
                         UnreadImages& unread) {
  auto train = std::make_unique<FolderSource>(root, folders, classes);
  auto test = std::make_unique<FolderSource>(root, folders, classes);
  for (size_t c = 0; c < folders.size(); ++c) {
    auto files = class_images(root / folders[c], unread);
    const int64_t count = int64_t(files.size());
    if (count < 2)
      fail(ErrorKind::data,
           "{}: a class of one image cannot be split into train and test; add images or use train/ "
           "and test/ folders",
           (root / folders[c]).string());
    const auto in_test = drawn_for_test(options, folders[c], count);
    for (int64_t i = 0; i < count; ++i)
      (in_test[i] ? test : train)->add(int64_t(c), std::move(files[i]));
  }
  return {"folder", std::move(train), std::move(test)};
}

// `root` may contain the table of readable names.
DataSplits open_splits(const Splits& splits, const fs::path& root, const DataOptions& options,
                       UnreadImages& unread) {
  if (!splits.test.empty()) check_same_classes(splits.train, splits.test);
  const auto folders = class_folders(splits.train);
  const auto classes = readable_names(root, folders);
  if (splits.test.empty()) return split_classes(splits.train, folders, classes, options, unread);
  return {"folder", list_split(splits.train, folders, classes, unread),
          list_split(splits.test, folders, classes, unread)};
}

DataSplits open_domains(const fs::path& root, const DataOptions& options, UnreadImages& unread) {
  for (const char* split : {"train", "test"})
    if (is_folder(root / split))
      fail(ErrorKind::data,
           "{}: is here, where a folder a domain is expected (data.domains = \"folders\"): put "
           "train/ and test/ inside each domain, or leave data.domains empty",
           (root / split).string());
  const auto domains = folders_in(root);
  if (domains.empty())
    fail(ErrorKind::data,
         "{}: no folders; data.domains = \"folders\" expects one a domain, with class folders in "
         "each",
         root.string());
  check_class_names(domains, root.string(), "domain");
  return with_context("data.domains = \"folders\"", [&] {
    std::vector<Splits> found;
    for (const auto& domain : domains) {
      found.push_back(find_splits(root / domain));
      check_same_classes(found.front().train, found.back().train);
    }
    std::vector<DataSplits> parts;
    for (size_t d = 0; d < domains.size(); ++d) {
      parts.push_back(open_splits(found[d], root, options, unread));
      parts.back().name = domains[d];
    }
    return joined(std::move(parts), true);
  });
}

}  // namespace

DataSplits open_image_folder(const fs::path& root, const DataOptions& options) {
  if (!is_folder(root)) fail(ErrorKind::data, "{}: no such folder", root.string());
  UnreadImages unread;
  DataSplits splits = options.domains == "folders"
                          ? open_domains(root, options, unread)
                          : open_splits(find_splits(root), root, options, unread);
  unread.tell(root.string());
  return splits;
}

}  // namespace patina

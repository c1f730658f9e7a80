#include "patina/data/formats/set_files.h"

#include <array>
#include <set>

#include <fmt/ranges.h>

#include "patina/base/error.h"
#include "patina/data/domains.h"
#include "patina/data/files.h"

namespace patina {

namespace {

constexpr std::array kTestNames = {"test", "eval", "dev", "val", "valid", "validation"};

// The file of a split; empty if there is none.
fs::path file_of(const fs::path& folder, const std::string& set, const std::string& split,
                 const std::vector<std::string>& endings) {
  for (const auto& ending : endings) {
    if (!set.empty())
      if (auto file = find_file(folder, fmt::format("{}.{}{}", set, split, ending)); !file.empty())
        return file;
    if (auto file = find_file(folder / set, split + ending); !file.empty()) return file;
  }
  return {};
}

std::pair<fs::path, fs::path> files_of(const fs::path& folder, const std::string& set,
                                       const std::vector<std::string>& endings) {
  const fs::path train = file_of(folder, set, "train", endings);
  fs::path test;
  for (const char* name : kTestNames)
    if (test.empty()) test = file_of(folder, set, name, endings);
  if (train.empty() || test.empty())
    fail(ErrorKind::data, "{}: no {} split; put a file {} there, with the ending {} (and .gz)",
         (folder / set).string(), train.empty() ? "train" : "test",
         fmt::format(fmt::runtime(set.empty() ? "{0}.*" : "{1}/{0}.* or {1}.{0}.*"),
                     train.empty() ? "train" : "test", set),
         fmt::join(endings, " or "));
  return {train, test};
}

DataSplits open_set(const fs::path& folder, const std::string& set,
                    const std::vector<std::string>& endings,
                    const std::function<std::unique_ptr<Source>(const fs::path&)>& open) {
  const auto [train, test] = files_of(folder, set, endings);
  return {set, open(train), open(test)};
}

}  // namespace

std::pair<fs::path, fs::path> split_files(const fs::path& folder,
                                          const std::vector<std::string>& endings) {
  return files_of(folder, "", endings);
}

bool has_ending(const fs::path& path, const std::string& ending) {
  const fs::path plain = path.extension() == ".gz" ? fs::path(path).replace_extension() : path;
  return plain.extension() == ending;
}

DataSplits open_sets(const fs::path& folder, const std::vector<std::string>& sets,
                     const std::vector<std::string>& endings,
                     const std::function<std::unique_ptr<Source>(const fs::path&)>& open) {
  if (sets.empty()) return open_set(folder, "", endings, open);
  std::set<std::string> met;
  std::vector<DataSplits> parts;
  for (const auto& set : sets) {
    if (set.empty() || !met.insert(set).second)
      fail(ErrorKind::data, "data.sets: \"{}\" is {}; name each set once", set,
           set.empty() ? "empty" : "there twice");
    parts.push_back(open_set(folder, set, endings, open));
  }
  check_class_names(sets, "data.sets", "set");
  return joined(std::move(parts), /*shared_classes=*/true);
}

}  // namespace patina

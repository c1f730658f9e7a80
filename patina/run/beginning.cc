#include "patina/run/beginning.h"

#include <algorithm>
#include <vector>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/base/work.h"
#include "patina/config/recipe_file.h"

namespace patina {

namespace {

// Bytes per split in a checkpoint; longer lists are stored as their hash only.
constexpr size_t kLongestList = size_t{1} << 20;

std::string hash_of(std::string_view text) {
  ContentHash hash;
  hash.add(text);
  return hash.hex();
}

// Splits a list whose items end in NUL.
std::vector<std::string_view> items(std::string_view list) {
  std::vector<std::string_view> all;
  for (size_t end; (end = list.find('\0')) != std::string_view::npos; list.remove_prefix(end + 1))
    all.push_back(list.substr(0, end));
  return all;
}

// Without folders: the data may have been moved since.
std::string name_in(const std::string& origin) {
  return origin.substr(origin.rfind('/') + 1);
}

struct Sample {
  std::string_view label, domain, mark, name;
};
Sample sample_in(std::string_view item) {
  const auto word = [&] {
    const size_t end = std::min(item.find(' '), item.size());
    const std::string_view first = item.substr(0, end);
    item.remove_prefix(std::min(end + 1, item.size()));
    return first;
  };
  const auto label = word(), domain = word(), mark = word();
  return {label, domain, mark, item};
}

}  // namespace

Beginning::Split::Split(const Source& source) : size(source.size()) {
  ContentHash all;
  for (int64_t i = 0; i < size; ++i) {
    std::string item = fmt::format("{} {} {:x} {}", source.label(i), source.domain(i),
                                   source.mark(i), name_in(source.origin(i)));
    item += '\0';
    all.add(item);
    if (samples.size() <= kLongestList) samples += item;
  }
  if (samples.size() > kLongestList) samples.clear();
  hash = all.hex();
}

void Beginning::Split::state(Archive& a) {
  a("size", size);
  a("samples", samples);
  a("hash", hash);
}

Beginning::Beginning(std::string folder, std::string_view recipe, const DataSplits& data)
    : folder_(std::move(folder)),
      recipe_(hash_of(recipe)),
      evaluated_on_(data.evaluated_on),
      train_(*data.train),
      test_(*data.test) {
  for (const auto& name : data.train->classes()) (classes_ += name) += '\0';
}

void Beginning::state(Archive& a) {
  Beginning before = *this;
  a("recipe", before.recipe_);
  a("classes", before.classes_);
  a("train", before.train_);
  a("test", before.test_);
  if (before.recipe_ != recipe_)
    fail(ErrorKind::state,
         "{} was begun with another recipe, which its recipe.toml no longer shows: change the "
         "recipe back, or start a new run with another --out",
         folder_);
  if (const std::string what = difference(before); !what.empty())
    fail(ErrorKind::state,
         "{}: the data have changed since the run began: {}; restore them, or start a new run with "
         "another --out",
         folder_, what);
}

std::string Beginning::difference(const Beginning& before) const {
  const auto sizes = [](std::string_view what, const Split& now, const Split& before) {
    return now.size == before.size
               ? ""
               : fmt::format("the {} data have {} samples, the run began with {}", what, now.size,
                             before.size);
  };
  if (auto what = sizes("training", train_, before.train_); !what.empty()) return what;
  if (auto what = sizes(evaluated_on_, test_, before.test_); !what.empty()) return what;
  const auto classes = items(classes_), classes_before = items(before.classes_);
  if (classes.size() != classes_before.size())
    return fmt::format("they have {} classes, the run began with {}", classes.size(),
                       classes_before.size());
  for (size_t c = 0; c < classes.size(); ++c)
    if (classes[c] != classes_before[c])
      return fmt::format("class {} is \"{}\", and was \"{}\"", c, classes[c], classes_before[c]);
  if (auto what = difference("training", train_, before.train_); !what.empty()) return what;
  return difference(evaluated_on_, test_, before.test_);
}

std::string Beginning::difference(std::string_view what, const Split& now,
                                  const Split& before) const {
  if (now.hash == before.hash) return "";
  const auto samples = items(now.samples), samples_before = items(before.samples);
  const size_t known = std::min(samples.size(), samples_before.size());
  for (size_t i = 0; i < known; ++i) {
    const Sample sample = sample_in(samples[i]), old = sample_in(samples_before[i]);
    if (sample.name != old.name)
      return fmt::format("{} sample {} is {}, and was {}", what, i, sample.name, old.name);
    if (sample.label != old.label)
      return fmt::format("{} sample {}, {}, has label {}, and had {}", what, i, sample.name,
                         sample.label, old.label);
    if (sample.domain != old.domain)
      return fmt::format("{} sample {}, {}, is of another domain", what, i, sample.name);
    if (sample.mark != old.mark)
      return fmt::format("{} sample {}, {}, has different content", what, i, sample.name);
  }
  return fmt::format("a {} sample's name or label differs", what);
}

std::optional<Json> finished_run(Recipe& recipe, const DataSplits& data, const RunFolder& folder,
                                 RunMode mode) {
  const std::string text = folder.text_of(mode, to_toml(recipe));
  if (folder.continues(mode, text)) {
    Beginning beginning(folder.path.string(), text, data);
    folder.load()("beginning", beginning);
  }
  if (mode != RunMode::resume || !folder.complete(text)) return {};
  note(fmt::format("{}: complete, nothing to do", folder.path.string()));
  return parse_json(read_text(folder.record()), folder.record().string());
}

void same_network(Archive& a, const std::string& weights, const std::string& engine,
                  const std::string& folder) {
  std::string then = weights;
  a("model", then);
  if (then != weights)
    fail(ErrorKind::state,
         "{}: the backbone's weights have changed since the run began: restore them, or start a "
         "new run with another --out",
         folder);
  then = engine;
  a("engine", then);
  if (then != engine)
    warn(fmt::format("{}: the run began with the engine \"{}\" and continues with \"{}\"", folder,
                     then, engine));
}

}  // namespace patina

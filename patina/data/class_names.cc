#include "patina/data/class_names.h"

#include <numeric>

#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/data/files.h"
#include "patina/data/views.h"

namespace patina {

namespace {

class Renamed : public Selection {
 public:
  Renamed(std::shared_ptr<const Source> all, std::vector<int64_t> kept,
          std::vector<std::string> names)
      : Selection(std::move(all), std::move(kept)), names_(std::move(names)) {}
  const std::vector<std::string>& classes() const override { return names_; }

 private:
  std::vector<std::string> names_;
};

constexpr uint64_t kLongest = 64 << 20;

// The list `key` of a set, or the file's only list.
std::vector<std::string> read(const std::string& path, const std::string& set, const char* key) {
  Json json = parse_json(read_text(path, kLongest), path);
  std::string where = path;
  if (json.is_object()) {
    std::vector<std::string> sets;
    for (const auto& [name, value] : json.items()) sets.push_back(name);
    if (!json.contains(set))
      fail(ErrorKind::data, "{}: no set \"{}\"{}; it has {} sets", path, set,
           did_you_mean(set, sets), sets.size());
    where += ": " + set;
    Json part = json[set];
    json = part.is_object() && part.contains(key) ? part[key] : part;
  }
  if (!json.is_array() || json.empty())
    fail(ErrorKind::data, "{}: {} is not a list of texts", where, key);
  std::vector<std::string> texts;
  for (const Json& item : json) {
    const Json& text = item.is_array() && !item.empty() ? item[0] : item;
    if (!text.is_string() || text.get_ref<const std::string&>().empty())
      fail(ErrorKind::data, "{}: {} {} is not a text", where, key, texts.size() + 1);
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

}  // namespace

std::unique_ptr<Source> renamed(std::unique_ptr<Source> source, std::vector<std::string> names) {
  if (names.size() != source->classes().size())
    fail(ErrorKind::data, "data.class_names has {} names, the data have {} classes", names.size(),
         source->classes().size());
  check_class_names(names, "data.class_names");
  std::vector<int64_t> all(size_t(source->size()));
  std::iota(all.begin(), all.end(), int64_t{0});
  return std::make_unique<Renamed>(std::move(source), std::move(all), std::move(names));
}

std::vector<std::string> read_class_names(const std::string& path, const std::string& set) {
  return read(path, set, "classes");
}

std::vector<std::string> read_templates(const std::string& path, const std::string& set) {
  auto templates = read(path, set, "templates");
  for (const auto& sentence : templates)
    if (sentence.find("{}") == std::string::npos)
      fail(ErrorKind::data, "{}: the template \"{}\" has no {{}} for the class name", path,
           sentence);
  return templates;
}

}  // namespace patina

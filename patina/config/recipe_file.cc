// Reading recipes: the TOML document with its bases and overrides, and the visitor that fills
// options from it.
//
// Mistakes are collected with their place and thrown together by finish(). Which keys exist is
// learned from what the options structs visit, so unknown keys are found after every struct was
// bound.
#include "patina/config/recipe_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "patina/base/error.h"
#include "patina/base/file.h"
#include "patina/config/override.h"
#include "patina/config/toml_document.h"
#include "patina/config/toml_text.h"

namespace patina {

namespace {

constexpr uint64_t kLargestRecipe = uint64_t{1} << 20;
constexpr size_t kMostMistakes = 100;  // printed; the rest are counted
constexpr size_t kLongestQuote = 120;  // bytes of a key or value that a message repeats
constexpr size_t kMostBases = 8;

// Where something stands: the source is an index into TomlDocument::origins. No line: the end.
struct Place {
  size_t source = 0;
  size_t line = std::numeric_limits<size_t>::max();
  size_t column = 0;
  auto operator<=>(const Place&) const = default;
};

struct Mistake {
  Place place;
  std::string text;
  auto operator<=>(const Mistake&) const = default;
};

template <class T>
constexpr const char* kPlural = nullptr;
template <>
constexpr const char* kPlural<int64_t> = "whole numbers";
template <>
constexpr const char* kPlural<double> = "numbers";
template <>
constexpr const char* kPlural<std::string> = "strings";

std::string_view kind(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a section";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
    case toml::node_type::floating_point:
      return "a number";
    case toml::node_type::boolean:
      return "a boolean";
    default:
      return "a date or time";
  }
}

std::string read_recipe(const fs::path& path) {
  try {
    return read_text(path, kLargestRecipe);
  } catch (const Error& error) {
    fail(ErrorKind::recipe, "{}", error.what());
  }
}

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? toml_key(key) : path + '.' + toml_key(key);
}

}  // namespace

struct RecipeFile::State final : Fields {
  explicit State(TomlDocument source) : document(std::move(source)) {
    frames.push_back({"", &document.root});
  }

  // A table that is being visited; `table` is null when the document has no such section.
  struct Frame {
    std::string path;
    const toml::table* table;
  };

  TomlDocument document;
  std::vector<Frame> frames;
  std::map<std::string, std::vector<std::string>> known;  // section path -> keys visited in it
  std::set<std::string> sections;                         // paths of sections entered
  std::set<std::string> faulty;                           // paths that already have a mistake
  std::set<Mistake> mistakes;  // in file order; a key that two structs bind is reported once

  Place place(const toml::node* node) const {
    if (!node || !node->source().begin) return {};
    const auto& source = node->source();
    return {document.source(*node), source.begin.line, source.begin.column};
  }

  void report(const Place& where, const std::string& path, std::string_view message) {
    faulty.insert(path);
    mistakes.insert({where, fmt::format("{}: {}", shortened(path, kLongestQuote), message)});
  }

  // The node of a key of the current section, or null; remembers that the key exists.
  const toml::node* find(std::string_view key) {
    auto& names = known[frames.back().path];
    if (std::find(names.begin(), names.end(), key) == names.end()) names.emplace_back(key);
    return frames.back().table ? frames.back().table->get(key) : nullptr;
  }

  bool wrong_type(const toml::node& node, const std::string& path, std::string_view expected,
                  std::string_view found) {
    report(place(&node), path, fmt::format("expected {}, found {}", expected, found));
    return false;
  }

  // Stores a number that its range allows.
  template <class T>
  bool store(const toml::node& node, const std::string& path, const Range& range, T number,
             T& value) {
    if (!range.holds(double(number))) {
      report(place(&node), path, fmt::format("must be {}, is {}", range.text(), number));
      return false;
    }
    value = number;
    return true;
  }

  // Each reads one scalar into `value`, or reports a mistake and returns false.
  bool convert(const toml::node& node, const std::string& path, const FieldInfo&, bool& value) {
    if (!node.is_boolean()) return wrong_type(node, path, "true or false", kind(node));
    value = *node.value<bool>();
    return true;
  }

  bool convert(const toml::node& node, const std::string& path, const FieldInfo& info,
               int64_t& value) {
    constexpr std::string_view expected = "a whole number";
    if (const auto* integer = node.as_integer())
      return store(node, path, info.range, integer->get(), value);
    const auto* real = node.as_floating_point();
    if (!real) return wrong_type(node, path, expected, kind(node));
    // 1e4 is a whole number too; above 2^53 a float may not be the number that was written.
    const double number = real->get();
    if (std::trunc(number) != number || std::abs(number) > 0x1p53)
      return wrong_type(node, path, expected, toml_number(number));
    return store(node, path, info.range, int64_t(number), value);
  }

  bool convert(const toml::node& node, const std::string& path, const FieldInfo& info,
               double& value) {
    constexpr std::string_view expected = "a number";
    if (!node.is_number()) return wrong_type(node, path, expected, kind(node));
    const double number = *node.value<double>();
    if (std::isnan(number)) return wrong_type(node, path, expected, "nan");
    // A bounded number is a rate or a weight, which tensors hold as floats.
    constexpr double kLargest = std::numeric_limits<float>::max();
    if (!info.range.text().empty() && std::isfinite(number) && std::abs(number) > kLargest) {
      report(place(&node), path, fmt::format("must be at most {:.3g}, is {}", kLargest, number));
      return false;
    }
    return store(node, path, info.range, number, value);
  }

  bool convert(const toml::node& node, const std::string& path, const FieldInfo& info,
               std::string& value) {
    if (!node.is_string()) return wrong_type(node, path, "a string", kind(node));
    return choose(node, path, info, node.as_string()->get(), value);
  }

  // Stores a text that is one of the choices, if there are any.
  bool choose(const toml::node& node, const std::string& path, const FieldInfo& info,
              const std::string& text, std::string& value) {
    const auto& choices = info.choices;
    if (!choices.empty() && std::find(choices.begin(), choices.end(), text) == choices.end()) {
      std::vector<std::string> quoted;
      for (const auto& choice : choices) quoted.push_back(toml_string(choice));
      report(place(&node), path,
             fmt::format("must be one of {}, is {}{}", fmt::join(quoted, ", "),
                         toml_string(shortened(text, kLongestQuote)), did_you_mean(text, choices)));
      return false;
    }
    value = text;
    return true;
  }

  template <class T>
  void read(const FieldInfo& info, T& value) {
    if (const auto* node = find(info.key))
      convert(*node, join(frames.back().path, info.key), info, value);
  }

  template <class T>
  void read_list(const FieldInfo& info, std::vector<T>& value) {
    const auto* node = find(info.key);
    if (!node) return;
    const std::string path = join(frames.back().path, info.key);
    const auto* array = node->as_array();
    if (!array) {
      wrong_type(*node, path, fmt::format("a list of {}", kPlural<T>), kind(*node));
      return;
    }
    std::vector<T> items(array->size());
    bool good = true;
    for (size_t i = 0; i < items.size(); ++i)
      good &= convert((*array)[i], fmt::format("{}[{}]", path, i), info, items[i]);
    if (good)
      value = std::move(items);
    else
      faulty.insert(path);
  }

  void visit(const FieldInfo& info, bool& value) override { read(info, value); }
  void visit(const FieldInfo& info, int64_t& value) override { read(info, value); }
  void visit(const FieldInfo& info, double& value) override { read(info, value); }
  void visit(const FieldInfo& info, std::string& value) override {
    const auto* node = find(info.key);
    if (!node) return;
    const std::string path = join(frames.back().path, info.key);
    // `--set data.path=2024` needs no quotes, though TOML takes 2024 for a number.
    if (const size_t source = document.source(*node);
        document.is_override(source) && node->is_value() && !node->is_string())
      choose(*node, path, info, document.typed(source), value);
    else
      convert(*node, path, info, value);
  }
  void visit(const FieldInfo& info, std::vector<int64_t>& value) override {
    read_list(info, value);
  }
  void visit(const FieldInfo& info, std::vector<double>& value) override { read_list(info, value); }
  void visit(const FieldInfo& info, std::vector<std::string>& value) override {
    read_list(info, value);
  }

  // Sections missing from the document are visited as well, so that a key in the wrong section can
  // be reported with the right one.
  bool enter(std::string_view key, std::string_view) override {
    const auto* node = find(key);
    const std::string path = join(frames.back().path, key);
    if (node && !node->is_table()) wrong_type(*node, path, "a section", kind(*node));
    sections.insert(path);
    frames.push_back({path, node ? node->as_table() : nullptr});
    return true;
  }

  void leave() override {
    PATINA_CHECK(frames.size() > 1, "leave() without enter()");
    frames.pop_back();
  }

  void require(bool holds, std::string_view key, std::string_view message) override {
    const Frame& frame = frames.back();
    const std::string path = join(frame.path, key);
    // A value that could not be read is not to be judged.
    if (holds || faulty.count(path) > 0) return;
    const toml::node* node = frame.table ? frame.table->get(key) : nullptr;
    if (!node && frames.size() > 1) node = frame.table;
    report(place(node), path, message);
  }

  std::string unknown(std::string_view key, const toml::node& node, const std::string& section) {
    const char* what = node.is_table() ? "section" : "key";
    const auto here = known.find(section);
    if (here != known.end())
      if (const auto hint = did_you_mean(key, here->second); !hint.empty())
        return fmt::format("unknown {}{}", what, hint);
    std::vector<std::string> owners;
    for (const auto& [path, names] : known)
      if (path != section && std::find(names.begin(), names.end(), key) != names.end())
        owners.push_back(path.empty() ? "the top level" : '[' + path + ']');
    if (owners.empty()) return fmt::format("unknown {}", what);
    return fmt::format("unknown {} here, it belongs to {}", what, fmt::join(owners, " or "));
  }

  void report_unknown(const toml::table& table, const std::string& section) {
    const auto& names = known[section];
    for (const auto& [key, node] : table) {
      const std::string path = join(section, key.str());
      if (std::find(names.begin(), names.end(), key.str()) == names.end())
        report(place(&node), path, unknown(key.str(), node, section));
      else if (node.is_table() && sections.count(path) > 0)
        report_unknown(*node.as_table(), path);
    }
  }

  std::string line(const Mistake& mistake) const {
    const Place& where = mistake.place;
    const std::string& origin = document.origins[where.source];
    if (document.is_override(where.source) || where.line == Place{}.line)
      return fmt::format("{}: {}", origin, mistake.text);
    return fmt::format("{}:{}: {}", origin, where.line, mistake.text);
  }
};

RecipeFile::RecipeFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecipeFile::RecipeFile(RecipeFile&&) noexcept = default;
RecipeFile::~RecipeFile() = default;

RecipeFile RecipeFile::read(const std::filesystem::path& path,
                            const std::vector<std::string>& overrides) {
  TomlDocument document(read_recipe(path), path.string());
  std::vector<fs::path> files{path};  // the recipe, its base, that one's base
  while (const auto base = document.take_base()) {
    const fs::path file = files.back().parent_path() / base->path;
    with_context(base->place, [&] {
      for (const auto& above : files)
        if (std::error_code ignored; fs::equivalent(above, file, ignored))
          fail(ErrorKind::recipe, "{} is a base of itself", above.string());
      if (files.size() > kMostBases)
        fail(ErrorKind::recipe, "more than {} bases, one on another", kMostBases);
      // Without "..", for messages; the file is opened as written, since a link may stand before
      // it.
      document.lay_under(read_recipe(file), file.lexically_normal().string());
    });
    files.push_back(file);
  }
  document.lay_over(overrides);
  return RecipeFile(std::make_unique<State>(std::move(document)));
}

RecipeFile RecipeFile::parse(std::string_view text, std::string_view origin,
                             const std::vector<std::string>& overrides) {
  if (text.size() > kLargestRecipe)
    fail(ErrorKind::recipe, "{}: {} bytes, more than the limit of {}", origin, text.size(),
         kLargestRecipe);
  TomlDocument document(text, std::string(origin));
  if (const auto base = document.take_base())
    fail(ErrorKind::recipe, "{}: only a recipe that is a file can have a base", base->place);
  document.lay_over(overrides);
  return RecipeFile(std::make_unique<State>(std::move(document)));
}

Override split_override(const std::string& text) {
  auto split = TomlDocument::split(text);
  const std::string key = std::move(split.key.back());
  split.key.pop_back();
  return {fmt::format("{}", fmt::join(split.key, ".")), key, std::move(split.value)};
}

Fields& RecipeFile::fields() {
  return *state_;
}

void RecipeFile::finish() {
  PATINA_CHECK(state_->frames.size() == 1, "finish() inside a section");
  state_->report_unknown(state_->document.root, "");
  if (state_->mistakes.empty()) return;
  std::vector<std::string> lines;
  for (const auto& mistake : state_->mistakes) {
    if (lines.size() == kMostMistakes) {
      lines.push_back(fmt::format("and {} more", state_->mistakes.size() - kMostMistakes));
      break;
    }
    lines.push_back(state_->line(mistake));
  }
  fail(ErrorKind::recipe, "{}", fmt::join(lines, "\n"));
}

}  // namespace patina

// Parsing and merging TOML. toml++ frees nested tables recursively and does not limit how many
// tables a dotted key makes, so keys are counted before it sees them.
#include "patina/config/toml_document.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "patina/base/error.h"
#include "patina/config/toml_text.h"

namespace patina {

namespace {

constexpr int kDeepestKey = 16;  // parts of a dotted key

// What a document must not hold outside strings and comments.
struct Trouble {
  size_t line = 0;  // 0: none
  std::string_view what;
};

// The last byte of the string that begins at `at`, by TOML's own rules: otherwise a quote could
// hide what follows it. Counts the lines passed. Stops at a character outside ASCII that a
// backslash escapes, which toml++ does not survive.
size_t end_of_string(std::string_view text, size_t at, size_t& line) {
  const char quote = text[at];
  const auto is_quote = [&](size_t i) { return i < text.size() && text[i] == quote; };
  const bool many_lines = is_quote(at + 1) && is_quote(at + 2);
  for (at += many_lines ? 3 : 1; at < text.size(); ++at) {
    const bool escaped = quote == '"' && text[at] == '\\';
    if (escaped && ++at < text.size() && text[at] & 0x80) break;
    if (at < text.size() && text[at] == '\n') {
      ++line;
      if (!many_lines) break;  // not TOML: toml++ stops here and says so
    }
    if (escaped || !is_quote(at)) continue;
    if (!many_lines) break;
    if (!is_quote(at + 1) || !is_quote(at + 2)) continue;
    at += 2;
    // Up to two quotes may stand before the three that end it.
    for (int extra = 0; extra < 2 && is_quote(at + 1); ++extra) ++at;
    break;
  }
  return at;
}

// Where toml++ meets what it cannot read it looks at the characters that follow, and outside ASCII
// it does not survive that. So a quote begins a string only where a key or a value may begin; a
// quote elsewhere could hide such a character.
Trouble find_trouble(std::string_view text) {
  Trouble trouble{.line = 1};
  int dots = 0;
  bool begins = true;  // a key or a value may begin here
  bool keyed = false;  // the key is complete: a "=" was met
  for (size_t i = text.starts_with("\xef\xbb\xbf") ? 3 : 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '"' || c == '\'') {
      if (!begins) {
        trouble.what = "unexpected quote";
        return trouble;
      }
      i = end_of_string(text, i, trouble.line);
      if (i < text.size() && text[i] & 0x80) {
        trouble.what = "a backslash before a character outside ASCII";
        return trouble;
      }
      begins = false;
    } else if (c == '.' && ++dots >= kDeepestKey) {
      trouble.what = "a key of too many parts";
      return trouble;
    } else if (c & 0x80) {
      trouble.what = "characters outside ASCII need quotes around them";
      return trouble;
    } else if (c == '\n' || c == ',') {
      trouble.line += c == '\n';
      dots = 0;
      begins = true;
      keyed = false;
    } else if (c == '=') {
      dots = 0;
      begins = !keyed;
      keyed = true;
    } else if (c == '[' || c == '{') {
      dots = 0;
      keyed = keyed && !begins;  // a new list or table of keys, unless it stands where none may
    } else if (c == '.') {
      begins = !keyed;
    } else if (c != ' ' && c != '\t' && c != '\r') {
      begins = false;
    }
  }
  return {};
}

bool trips(std::string_view text) {
  try {
    static_cast<void>(toml::parse(text));
  } catch (const TomlAssertion&) {
    return true;
  } catch (const toml::parse_error&) {
  }
  return false;
}

// The line where toml++ trips over its own assertion, which does not say. It reads front to back,
// so the shortest beginning of the text that trips it ends with that line.
size_t line_of_assertion(std::string_view text) {
  std::vector<size_t> ends;  // of lines
  for (size_t at = 0; at < text.size(); at = ends.back())
    ends.push_back(std::min(text.find('\n', at), text.size() - 1) + 1);
  const auto trips_before = [&](size_t end) { return trips(text.substr(0, end)); };
  const auto line = std::partition_point(ends.begin(), ends.end(), std::not_fn(trips_before));
  return size_t(line - ends.begin()) + 1;
}

// toml++'s own exceptions end here. The message begins with the place.
toml::table parse_toml(std::string_view text, const std::string& origin) {
  if (const Trouble trouble = find_trouble(text); trouble.line > 0)
    fail(ErrorKind::recipe, "{}:{}: not valid TOML: {}", origin, trouble.line, trouble.what);
  try {
    return toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    fail(ErrorKind::recipe, "{}:{}:{}: not valid TOML: {}", origin, at.line, at.column,
         shortened(error.description(), 300));
  } catch (const TomlAssertion&) {
    fail(ErrorKind::recipe, "{}:{}: not valid TOML: unexpected character", origin,
         line_of_assertion(text));
  }
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return "";
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

std::vector<std::string> split_key(std::string_view key) {
  std::vector<std::string> parts{""};
  for (const char c : key) {
    if (c == '.')
      parts.emplace_back();
    else
      parts.back() += c;
  }
  return parts;
}

// Does `table` hold the key `parts` and nothing else? A value may have closed its line and begun
// another.
bool is_only_key(const toml::table& table, const std::vector<std::string>& parts) {
  const toml::table* at = &table;
  for (const auto& part : parts) {
    if (!at || at->size() != 1 || !at->contains(part)) return false;
    at = at->get(part)->as_table();
  }
  return true;
}

std::string label_of(const std::string& setting) {
  return "--set " + shortened(setting, 120);
}

// The override as a document of its own, so that its nodes know where they came from.
toml::table parse_override(const TomlDocument::Split& setting, const std::string& label) {
  return toml::parse(fmt::format("{} = {}", fmt::join(setting.key, "."), setting.value), label);
}

// `value` in TOML's syntax: as it is, or as a string where it is no TOML value.
std::string toml_value(const std::vector<std::string>& key, std::string_view value,
                       const std::string& label) {
  if (find_trouble(value).line == 0) {
    try {
      std::string text(value);
      if (is_only_key(parse_override({key, text}, label), key)) return text;
    } catch (const toml::parse_error&) {  // not a TOML value: a string, below
    } catch (const TomlAssertion&) {
    }
  }
  std::string text = toml_string(value);
  try {
    static_cast<void>(parse_override({key, text}, label));
  } catch (const toml::parse_error&) {
    fail(ErrorKind::usage, "{}: the value is not valid UTF-8", label);
  }
  return text;
}

// Stores a copy of `node` that came from elsewhere, whatever its type.
void store(toml::table& into, std::string_view key, toml::node&& node) {
  std::move(node).visit(
      [&](auto&& value) { into.insert_or_assign(key, std::forward<decltype(value)>(value)); });
}

// Moves what `into` does not have from `base`. A section that both have keeps its place in `into`.
void fill(toml::table& into, toml::table&& base) {
  for (auto&& [key, node] : base) {
    toml::node* present = into.get(key.str());
    if (!present)
      store(into, key.str(), std::move(node));
    else if (present->is_table() && node.is_table())
      fill(*present->as_table(), std::move(*node.as_table()));
  }
}

// Moves the one key that `from` holds, `parts[at]...`, into `into`.
void override_key(toml::table& into, toml::table&& from, const std::vector<std::string>& parts,
                  size_t at, const std::string& label, const std::string& origin) {
  toml::node& value = *from.get(parts[at]);
  toml::node* present = into.get(parts[at]);
  if (at + 1 < parts.size() && present) {
    if (!present->is_table()) {
      std::string path;
      for (size_t i = 0; i <= at; ++i) path += (i ? "." : "") + parts[i];
      fail(ErrorKind::usage, "{}: {} is not a section in {}", label, path, origin);
    }
    override_key(*present->as_table(), std::move(*value.as_table()), parts, at + 1, label, origin);
    return;
  }
  store(into, parts[at], std::move(value));
}

}  // namespace

TomlDocument::TomlDocument(std::string_view text, std::string origin)
    : origins{std::move(origin)}, root(parse_toml(text, origins.front())) {}

std::optional<TomlDocument::Base> TomlDocument::take_base() {
  const toml::node* node = root.get("base");
  if (!node) return std::nullopt;
  Base base{.place = fmt::format("{}:{}: base", origins[source(*node)], node->source().begin.line)};
  const auto* path = node->as_string();
  if (!path) fail(ErrorKind::recipe, "{}: expected a string, the path of a recipe", base.place);
  base.path = path->get();
  root.erase("base");
  return base;
}

void TomlDocument::lay_under(std::string_view text, std::string origin) {
  origins.push_back(std::move(origin));
  files = origins.size();
  fill(root, parse_toml(text, origins.back()));
}

TomlDocument::Split TomlDocument::split(const std::string& setting) {
  const std::string label = label_of(setting);
  const size_t equals = setting.find('=');
  if (equals == std::string::npos) fail(ErrorKind::usage, "{}: expected key=value", label);
  const std::string_view key = trimmed(std::string_view(setting).substr(0, equals));
  const std::string_view value = trimmed(std::string_view(setting).substr(equals + 1));
  auto parts = split_key(key);
  if (!std::all_of(parts.begin(), parts.end(), is_bare_key))
    fail(ErrorKind::usage,
         "{}: \"{}\" is not a key; write section.key=value, with letters, digits, _ and -", label,
         shortened(key, 120));
  if (parts.size() > size_t(kDeepestKey))
    fail(ErrorKind::usage, "{}: a key of too many parts", label);
  if (parts.front() == "base")
    fail(ErrorKind::usage, "{}: a base can only be named in a recipe", label);
  std::string text = toml_value(parts, value, label);
  return {std::move(parts), std::move(text), std::string(value)};
}

void TomlDocument::lay_over(const std::vector<std::string>& settings) {
  for (const auto& setting : settings) {
    const Split split = TomlDocument::split(setting);
    origins.push_back(label_of(setting));
    const std::string& label = origins.back();
    values.push_back(split.typed);
    override_key(root, parse_override(split, label), split.key, 0, label, origins.front());
  }
}

size_t TomlDocument::source(const toml::node& node) const {
  const auto& path = node.source().path;
  if (!path) return 0;
  const auto at = std::find(origins.begin(), origins.end(), *path);
  return at == origins.end() ? 0 : size_t(at - origins.begin());
}

}  // namespace patina

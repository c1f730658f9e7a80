// Parsing and merging TOML. toml++ frees nested tables recursively and does not limit how many
// tables a dotted key makes, so keys are counted before it sees them.
#include "patina/config/toml_document.h"

#include <algorithm>
#include <utility>

#include "patina/base/error.h"
#include "patina/config/toml_text.h"

namespace patina {

namespace {

constexpr int kDeepestKey = 16;  // parts of a dotted key

// The first line on which a dotted key has too many parts, or 0. Strings and comments are stepped
// over by TOML's own rules: otherwise a quote could hide a key from this count.
size_t line_of_too_deep_key(std::string_view text) {
  size_t line = 1;
  int dots = 0;
  const auto starts = [&](size_t at, std::string_view what) {
    return text.substr(at, what.size()) == what;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '"' || c == '\'') {
      const std::string quotes(3, c);
      const bool many_lines = starts(i, quotes);
      i += many_lines ? 3 : 1;
      for (; i < text.size(); ++i) {
        if (c == '"' && text[i] == '\\') {
          ++i;
          line += i < text.size() && text[i] == '\n';
        } else if (many_lines ? starts(i, quotes) : text[i] == c) {
          break;
        } else if (text[i] == '\n') {
          ++line;
          if (!many_lines) break;  // not TOML: toml++ stops here and says so
        }
      }
      // Up to two quotes may stand before the three that end a string.
      if (many_lines) i += 2;
      for (int extra = 0; many_lines && extra < 2 && i + 1 < text.size() && text[i + 1] == c;
           ++extra)
        ++i;
    } else if (c == '.') {
      if (++dots >= kDeepestKey) return line;
    } else if (c == '\n' || c == '=' || c == ',' || c == '[' || c == '{') {
      line += c == '\n';
      dots = 0;
    }
  }
  return 0;
}

// toml++'s own exceptions end here. The message begins with the place.
toml::table parse_toml(std::string_view text, const std::string& origin) {
  if (const size_t line = line_of_too_deep_key(text))
    fail(ErrorKind::recipe, "{}:{}: a key of more than {} parts", origin, line, kDeepestKey);
  try {
    return toml::parse(text, origin);
  } catch (const toml::parse_error& error) {
    const auto& at = error.source().begin;
    fail(ErrorKind::recipe, "{}:{}:{}: not valid TOML: {}", origin, at.line, at.column,
         shortened(error.description(), 300));
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

// The override as a document of its own, so that its nodes know where they came from.
toml::table parse_override(std::string_view key, const std::string& label,
                           const std::vector<std::string>& parts, std::string_view value) {
  const auto document = [&](std::string_view text) {
    return toml::parse(fmt::format("{} = {}", key, text), label);
  };
  if (line_of_too_deep_key(value) == 0) {
    try {
      toml::table table = document(value);
      if (is_only_key(table, parts)) return table;
    } catch (const toml::parse_error&) {
      // Not a TOML value: taken as a string below.
    }
  }
  try {
    return document(toml_string(value));
  } catch (const toml::parse_error&) {
    fail(ErrorKind::usage, "{}: the value is not valid UTF-8", label);
  }
}

// Moves the one key that `from` holds, `parts[at]...`, into `into`.
void lay_over(toml::table& into, toml::table&& from, const std::vector<std::string>& parts,
              size_t at, const std::string& label, const std::string& origin) {
  toml::node& value = *from.get(parts[at]);
  toml::node* present = into.get(parts[at]);
  if (at + 1 < parts.size() && present) {
    if (!present->is_table()) {
      std::string path;
      for (size_t i = 0; i <= at; ++i) path += (i ? "." : "") + parts[i];
      fail(ErrorKind::usage, "{}: {} is not a section in {}", label, path, origin);
    }
    lay_over(*present->as_table(), std::move(*value.as_table()), parts, at + 1, label, origin);
    return;
  }
  std::move(value).visit(
      [&](auto&& node) { into.insert_or_assign(parts[at], std::forward<decltype(node)>(node)); });
}

}  // namespace

TomlDocument::TomlDocument(std::string_view text, std::string_view origin,
                           const std::vector<std::string>& settings)
    : origin(origin), root(parse_toml(text, this->origin)) {
  for (const auto& setting : settings) {
    overrides.push_back("--set " + shortened(setting, 120));
    const std::string& label = overrides.back();
    const size_t equals = setting.find('=');
    if (equals == std::string::npos) fail(ErrorKind::usage, "{}: expected key=value", label);
    const std::string_view key = trimmed(std::string_view(setting).substr(0, equals));
    const std::string_view value = trimmed(std::string_view(setting).substr(equals + 1));
    const auto parts = split_key(key);
    if (!std::all_of(parts.begin(), parts.end(), is_bare_key))
      fail(ErrorKind::usage,
           "{}: \"{}\" is not a key; write section.key=value, with letters, digits, _ and -", label,
           shortened(key, 120));
    if (parts.size() > size_t(kDeepestKey))
      fail(ErrorKind::usage, "{}: a key of more than {} parts", label, kDeepestKey);
    lay_over(root, parse_override(key, label, parts, value), parts, 0, label, this->origin);
  }
}

size_t TomlDocument::source(const toml::node& node) const {
  const auto& path = node.source().path;
  if (!path || *path == origin) return 0;
  const auto at = std::find(overrides.begin(), overrides.end(), *path);
  return at == overrides.end() ? 0 : size_t(at - overrides.begin()) + 1;
}

}  // namespace patina

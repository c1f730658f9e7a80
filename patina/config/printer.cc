// Options as text: TOML that reads back, Markdown for the reference pages, plain text for --help.
//
// The visitor first gathers sections and fields, because TOML wants a table's own keys before its
// sub-tables while a struct may bind them in any order.
#include <algorithm>
#include <list>
#include <utility>

#include "patina/base/error.h"
#include "patina/config/recipe_file.h"
#include "patina/config/toml_text.h"

namespace patina::detail {

namespace {

constexpr size_t kWidth = 96;          // columns of plain text and comments
constexpr size_t kWidestSetting = 36;  // "key = value" longer than this pushes its help down a line

struct Field {
  std::string key, value, help;
  std::string type;     // "number"
  std::string allowed;  // "> 0", "one of "a", "b""; empty: anything of its type
};

struct Section {
  std::string path, help;
  std::vector<Field> fields;
  std::list<Section> sections;  // a list: the visitor keeps pointers into it
};

size_t columns(std::string_view text) {
  return size_t(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

// Lines of at most `width` columns, broken at spaces; a longer word has a line of its own.
std::vector<std::string> wrapped(std::string_view text, size_t width) {
  constexpr std::string_view spaces = " \t\r\n";
  std::vector<std::string> lines;
  for (size_t at = 0; (at = text.find_first_not_of(spaces, at)) != std::string_view::npos;) {
    const std::string_view word = text.substr(at, text.find_first_of(spaces, at) - at);
    at += word.size();
    if (lines.empty() || columns(lines.back()) + 1 + columns(word) > width)
      lines.emplace_back(word);
    else
      lines.back() += ' ' + std::string(word);
  }
  return lines;
}

std::string comment(std::string_view text) {
  std::string out;
  for (const auto& line : wrapped(text, kWidth - 2)) out += "# " + line + '\n';
  return out;
}

// "Learning rate. (number > 0)"
std::string meaning(const Field& field) {
  std::string rule = field.type;
  if (!field.allowed.empty()) rule += ' ' + field.allowed;
  return field.help + " (" + rule + ')';
}

std::string setting(const Field& field) {
  return toml_key(field.key) + " = " + field.value;
}

std::string toml_text(const Section& section, bool comments) {
  std::string out;
  for (const auto& field : section.fields) {
    if (comments) out += (out.empty() ? "" : "\n") + comment(meaning(field));
    out += setting(field) + '\n';
  }
  for (const auto& inner : section.sections) {
    if (!out.empty()) out += '\n';
    if (comments) out += comment(inner.help);
    out += '[' + inner.path + "]\n" + toml_text(inner, comments);
  }
  return out;
}

std::string markdown_cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

std::string markdown(const Section& section) {
  std::string out;
  if (!section.fields.empty()) {
    out += "| key | default | allowed | meaning |\n| --- | --- | --- | --- |\n";
    for (const auto& field : section.fields)
      out += fmt::format(
          "| `{}` | `{}` | {} | {} |\n", markdown_cell(field.key), markdown_cell(field.value),
          markdown_cell(field.type + (field.allowed.empty() ? "" : " ") + field.allowed),
          markdown_cell(field.help));
  }
  for (const auto& inner : section.sections) {
    if (!out.empty()) out += '\n';
    out += fmt::format("### `[{}]`\n\n{}\n", inner.path, inner.help);
    const std::string body = markdown(inner);
    if (!body.empty()) out += '\n' + body;
  }
  return out;
}

std::string plain_text(const Section& section) {
  size_t widest = 0;
  for (const auto& field : section.fields)
    if (const size_t width = columns(setting(field)); width <= kWidestSetting)
      widest = std::max(widest, width);
  const size_t indent = 2 + widest + 2;

  std::string out;
  for (const auto& field : section.fields) {
    std::string line = "  " + setting(field);
    if (columns(line) + 2 > indent) {
      out += line + '\n';
      line.clear();
    }
    for (const auto& piece : wrapped(meaning(field), kWidth - indent)) {
      line.append(indent - columns(line), ' ');
      out.append(line).append(piece) += '\n';
      line.clear();
    }
  }
  for (const auto& inner : section.sections) {
    if (!out.empty()) out += '\n';
    for (const auto& line : wrapped(fmt::format("[{}] {}", inner.path, inner.help), kWidth))
      out += line + '\n';
    out += plain_text(inner);
  }
  return out;
}

std::string text_of(bool value) {
  return value ? "true" : "false";
}
std::string text_of(int64_t value) {
  return std::to_string(value);
}
std::string text_of(double value) {
  return toml_number(value);
}
std::string text_of(const std::string& value) {
  return toml_string(value);
}
template <class T>
std::string text_of(const std::vector<T>& values) {
  std::string out;
  for (const auto& value : values) out += (out.empty() ? "" : ", ") + text_of(value);
  return '[' + out + ']';
}

}  // namespace

struct Printer::State final : Fields {
  Style style = Style::toml;
  Section root;
  std::vector<Section*> open{&root};

  template <class T>
  void add(const FieldInfo& info, const T& value, std::string type, std::string allowed) {
    auto& fields = open.back()->fields;
    const auto same = [&](const Field& field) { return field.key == info.key; };
    if (std::any_of(fields.begin(), fields.end(), same)) return;  // two structs bind this key
    fields.push_back({std::string(info.key), text_of(value), std::string(info.help),
                      std::move(type), std::move(allowed)});
  }

  void visit(const FieldInfo& info, bool& value) override { add(info, value, "true or false", ""); }
  void visit(const FieldInfo& info, int64_t& value) override {
    add(info, value, "whole number", info.range.text());
  }
  void visit(const FieldInfo& info, double& value) override {
    add(info, value, "number", info.range.text());
  }
  void visit(const FieldInfo& info, std::string& value) override {
    std::string allowed;
    for (const auto& choice : info.choices)
      allowed += (allowed.empty() ? "" : ", ") + toml_string(choice);
    if (allowed.empty())
      add(info, value, "string", "");
    else
      add(info, value, "one of", allowed);
  }
  void visit(const FieldInfo& info, std::vector<int64_t>& value) override {
    add(info, value, "list of whole numbers", info.range.text());
  }
  void visit(const FieldInfo& info, std::vector<double>& value) override {
    add(info, value, "list of numbers", info.range.text());
  }
  void visit(const FieldInfo& info, std::vector<std::string>& value) override {
    add(info, value, "list of strings", "");
  }

  bool enter(std::string_view key, std::string_view help) override {
    auto& parent = *open.back();
    const std::string path = (parent.path.empty() ? "" : parent.path + '.') + toml_key(key);
    auto at = std::find_if(parent.sections.begin(), parent.sections.end(),
                           [&](const Section& section) { return section.path == path; });
    if (at == parent.sections.end())
      at = parent.sections.insert(at, Section{.path = path, .help = std::string(help)});
    open.push_back(&*at);
    return true;
  }

  void leave() override {
    PATINA_CHECK(open.size() > 1, "leave() without enter()");
    open.pop_back();
  }

  // A reference page has every section, a recipe only what it says.
  bool leaves_out() const override {
    return style == Style::toml || style == Style::commented_toml;
  }
};

Printer::Printer(Style style) : state_(std::make_unique<State>()) {
  state_->style = style;
}
Printer::~Printer() = default;

Fields& Printer::fields() {
  return *state_;
}

std::string Printer::take() {
  const Section& root = state_->root;
  switch (state_->style) {
    case Style::markdown:
      return markdown(root);
    case Style::text:
      return plain_text(root);
    case Style::toml:
      return toml_text(root, false);
    case Style::commented_toml:
      return toml_text(root, true);
  }
  return "";
}

}  // namespace patina::detail

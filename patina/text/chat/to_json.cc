#include "patina/text/chat/to_json.h"

#include <algorithm>
#include <cmath>

#include "patina/text/unicode/unicode.h"

namespace patina::chat {

namespace {

class Writer {
 public:
  Writer(Operations& python, const JsonStyle& style) : python_(python), style_(style) {}

  std::string run(const Value& value) {
    write(value, 0);
    return std::move(out_);
  }

 private:
  void add(std::string_view text) {
    python_.budget().spend_for(text.size());
    out_ += text;
    if (out_.size() > python_.budget().limits().bytes) python_.budget().spend_for(out_.size());
  }

  void escape(char32_t c) {
    if (c >= 0x10000) {
      const char32_t above = c - 0x10000;
      add(fmt::format("\\u{:04x}\\u{:04x}", 0xd800 + uint32_t(above >> 10),
                      0xdc00 + uint32_t(above & 0x3ff)));
    } else {
      add(fmt::format("\\u{:04x}", uint32_t(c)));
    }
  }

  void write_text(std::string_view text) {
    constexpr std::string_view kShort = "\"\\\n\r\t\f\b", kLetters = "\"\\nrtfb";
    add("\"");
    size_t plain = 0;  // begin of what needs no escape
    for (size_t at = 0; at < text.size();) {
      const size_t begin = at;
      const char32_t c = next_code_point(text, at);
      const size_t brief = c < 0x80 ? kShort.find(char(c)) : std::string_view::npos;
      if (brief == std::string_view::npos && c >= 0x20 && !(style_.ascii && c >= 0x7f)) continue;
      add(text.substr(plain, begin - plain));
      plain = at;
      if (brief != std::string_view::npos)
        add(std::string{'\\', kLetters[brief]});
      else
        escape(c);
    }
    add(text.substr(plain));
    add("\"");
  }

  static std::string real(double number) {
    if (std::isnan(number)) return "NaN";
    if (std::isinf(number)) return number < 0 ? "-Infinity" : "Infinity";
    return represented(number);
  }

  // A number, a truth value or null, as a value or as a key.
  std::optional<std::string> scalar(const Value& value) const {
    if (value.is_none()) return "null";
    if (const auto* flag = value.plain<bool>()) return *flag ? "true" : "false";
    if (const auto whole = value.whole()) return std::to_string(*whole);
    if (const auto* number = value.plain<double>()) return real(*number);
    return std::nullopt;
  }

  void new_line(size_t level) {
    if (!style_.indent) return;
    add("\n");
    for (size_t i = 0; i < level; ++i) add(*style_.indent);
  }

  void write(const Value& value, size_t level) {
    if (const auto text = scalar(value)) return add(*text);
    if (const auto* bytes = value.bytes()) return write_text(*bytes);
    if (const auto* mapping = value.as<Mapping>()) return write_mapping(*mapping, level);
    const auto* sequence = value.as<Sequence>();
    if (!sequence ||
        (sequence->kind != SequenceKind::list && sequence->kind != SequenceKind::tuple))
      wrong("a {} has no form in JSON", type_name(value));
    if (sequence->items.empty()) return add("[]");
    add("[");
    for (size_t i = 0; i < sequence->items.size(); ++i) {
      if (i > 0) add(style_.between);
      new_line(level + 1);
      write(sequence->items[i], level + 1);
    }
    new_line(level);
    add("]");
  }

  void write_mapping(const Mapping& mapping, size_t level) {
    if (mapping.entries.empty()) return add("{}");
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : mapping.entries) entries.push_back(&entry);
    if (style_.sorted)
      std::stable_sort(entries.begin(), entries.end(), [&](const auto* a, const auto* b) {
        return python_.less(a->first, b->first);
      });
    add("{");
    for (size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) add(style_.between);
      new_line(level + 1);
      const auto& [key, value] = *entries[i];
      write_text(key.bytes() ? *key.bytes() : *scalar(key));
      add(style_.after_key);
      write(value, level + 1);
    }
    new_line(level);
    add("}");
  }

  Operations& python_;
  const JsonStyle& style_;
  std::string out_;
};

}  // namespace

std::string to_json(Operations& python, const Value& value, const JsonStyle& style) {
  return Writer(python, style).run(value);
}

}  // namespace patina::chat

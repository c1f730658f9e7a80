#include "patina/text/load/chat_template_files.h"

#include "patina/base/json.h"
#include "patina/text/load/json_node.h"

namespace patina {

namespace {

constexpr uint64_t kLargest = uint64_t{1} << 26;

// A text, or a list of {"name": ..., "template": ...}.
std::optional<ChatTemplateText> read_member(const fs::path& path) {
  if (!is_file(path)) return std::nullopt;
  const SortedJson document = parse_sorted_json(read_text(path, kLargest), path.string());
  const auto node = JsonNode(document, path.string()).find("chat_template");
  if (!node) return std::nullopt;
  if (node->is_text()) return ChatTemplateText{node->text(), node->place()};
  for (const auto& named : node->elements())
    if (named.at("name").text() == "default") {
      const JsonNode text = named.at("template");
      return ChatTemplateText{text.text(), text.place()};
    }
  node->refuse("none of the templates is named \"default\"");
}

}  // namespace

std::optional<ChatTemplateText> find_chat_template(const fs::path& folder) {
  if (const fs::path path = folder / "chat_template.jinja"; is_file(path))
    return ChatTemplateText{read_text(path, kLargest), path.string()};
  if (auto found = read_member(folder / "tokenizer_config.json")) return found;
  return read_member(folder / "chat_template.json");
}

}  // namespace patina

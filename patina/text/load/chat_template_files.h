// The chat template of a model folder.
#pragma once

#include <optional>
#include <string>

#include "patina/base/file.h"

namespace patina {

struct ChatTemplateText {
  std::string text, origin;
};

/// The first of chat_template.jinja, "chat_template" in tokenizer_config.json, and
/// chat_template.json; of several named templates, that named "default". Throws Error(format) if a
/// file is invalid.
std::optional<ChatTemplateText> find_chat_template(const fs::path& folder);

}  // namespace patina

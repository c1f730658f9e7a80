// Chat templates of well-known families by name, for models whose files have none.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace patina::chat {

/// One of them. It writes turns of a system, a user and an assistant as the models of its family
/// read them; tools are not written.
struct NamedTemplate {
  std::string_view name, text;
  std::vector<std::string_view> markers;  // tokens that it writes, and a model must know
};

std::span<const NamedTemplate> named_templates();
/// Null if there is none of this name.
const NamedTemplate* named_template(std::string_view name);

}  // namespace patina::chat

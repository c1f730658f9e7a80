// Evaluates a parsed chat template.
#pragma once

#include <ctime>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "patina/text/chat/limits.h"
#include "patina/text/chat/tree.h"

namespace patina::chat {

struct Rendered {
  std::string text;
  std::vector<std::pair<size_t, size_t>> generated;  // bytes: the texts of generation blocks
};

/// `variables`: what the template sees by name. Throws Error(data), which names the place, for what
/// the template refuses, for what Python would not do, and beyond the limits.
Rendered render(const Tree& tree, std::map<std::string, Value> variables, const std::tm& now,
                const ChatLimits& limits);

}  // namespace patina::chat

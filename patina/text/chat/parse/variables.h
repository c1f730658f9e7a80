// Resolves the variables of a chat template to places in frames, by Jinja's rules of scopes.
#pragma once

#include "patina/text/chat/tree.h"

namespace patina::chat {

/// Loops, set blocks, macros and generation blocks have scopes of their own; branches have not.
/// What a scope assigns is its own from the scope's begin on: it starts with the value of the
/// variable around it, if there is one. Throws Error(format) where a template assigns to `loop` in
/// a loop.
void resolve_variables(Tree& tree);

}  // namespace patina::chat

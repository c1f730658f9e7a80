// The arguments of a call.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "patina/text/chat/value.h"

namespace patina::chat {

struct Arguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> named;

  /// The arguments in the order of the parameters, null where none is given. Throws Error(data),
  /// which names `what`, for arguments that it does not have, and if fewer than `needed` are given.
  std::vector<const Value*> bind(std::string_view what,
                                 std::initializer_list<std::string_view> parameters,
                                 size_t needed = 0) const;
  /// The arguments from the one at `begin` on.
  Arguments from(size_t begin) const;
};

}  // namespace patina::chat

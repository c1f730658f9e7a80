#include "patina/config/folder_name.h"

#include <algorithm>

namespace patina {

void folder_name(Fields& f, std::string_view key, std::string& name, std::string_view help) {
  f(key, name, help);
  const auto is_control = [](char c) { return uint8_t(c) < 0x20 || c == 0x7f; };
  f.require(name.find('/') == name.npos, key, "names a folder, so it cannot have a slash in it");
  f.require(name != "." && name != "..", key, "names a folder, so it cannot be \".\" or \"..\"");
  f.require(std::ranges::none_of(name, is_control), key,
            "names a folder, so it cannot have control characters in it");
}

}  // namespace patina

// How strings, keys and numbers are written in TOML, shared by printed documents and messages.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace patina {

/// `text` in double quotes; control characters are escaped. `text` is UTF-8.
std::string toml_string(std::string_view text);
/// `key` as it stands when TOML allows that, otherwise quoted.
std::string toml_key(std::string_view key);
/// The shortest text that reads back as the same double, and as a float: "1.0", "1e-05", "inf".
std::string toml_number(double value);

/// May `key` be written without quotes?
bool is_bare_key(std::string_view key);

/// `text` cut to at most `limit` bytes plus "...", never inside a UTF-8 character, for messages.
std::string shortened(std::string_view text, size_t limit);

}  // namespace patina

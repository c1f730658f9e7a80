// Base64 (RFC 4648, section 4): bytes in JSON.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace patina::serve {

/// Nothing if `text` is not base64: other characters, a wrong length, or padding inside.
std::optional<std::string> base64_decoded(std::string_view text);
std::string base64(std::span<const uint8_t> bytes);

}  // namespace patina::serve

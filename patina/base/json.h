// JSON: nlohmann's library behind one header, with limits and readable errors.
#pragma once

#include <nlohmann/json.hpp>

#include "patina/base/error.h"
#include "patina/base/json_fwd.h"

namespace patina {

/// Parses `text`. Throws Error(format), which names `origin`, the byte and the reason. Nesting
/// deeper than 100 levels, duplicate keys and invalid UTF-8 are also errors.
Json parse_json(std::string_view text, std::string_view origin);
SortedJson parse_sorted_json(std::string_view text, std::string_view origin);

}  // namespace patina

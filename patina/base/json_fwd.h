// Forward declarations of JSON, for headers that only pass it on: json.h adds seconds to the
// compile time of every source.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace patina {

using Json = nlohmann::ordered_json;
/// For objects with very many keys, in which Json would search linearly. The order of keys is lost.
using SortedJson = nlohmann::json;

}  // namespace patina

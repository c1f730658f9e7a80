// The name of JSON, for headers that only pass it on: json.h costs seconds in every source.
#pragma once

#include <nlohmann/json_fwd.hpp>

namespace patina {

using Json = nlohmann::ordered_json;
/// For objects with very many keys, which Json searches one by one; the order of keys is lost.
using SortedJson = nlohmann::json;

}  // namespace patina

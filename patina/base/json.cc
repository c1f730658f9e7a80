#include "patina/base/json.h"

#include <set>

namespace patina {

Json parse_json(std::string_view text, std::string_view origin) {
  constexpr int kDeepest = 100;
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kDeepest)
      fail(ErrorKind::format, "{}: JSON nested deeper than {} levels", origin, kDeepest);
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second)
      fail(ErrorKind::format, "{}: JSON object has the key \"{}\" twice", origin,
           parsed.get<std::string>());
    return true;
  };
  try {
    return Json::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception& error) {
    std::string why = error.what();  // "[json.exception.parse_error.101] parse error at line 1, ..."
    if (const auto end = why.find("] "); end != std::string::npos) why = why.substr(end + 2);
    fail(ErrorKind::format, "{}: not valid JSON: {}", origin, why);
  }
}

}  // namespace patina

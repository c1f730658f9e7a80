#include "patina/base/json.h"

#include <set>

namespace patina {

namespace {

// Makes a text fit for a message: it may repeat input that is long or not UTF-8.
std::string readable(std::string text) {
  constexpr size_t kLongest = 200;
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
  return text;
}

template <class Value>
Value parse(std::string_view text, std::string_view origin) {
  constexpr int kDeepest = 100;
  std::vector<std::set<std::string>> keys;
  const auto watch = [&](int depth, typename Value::parse_event_t event, Value& parsed) {
    using Event = typename Value::parse_event_t;
    if (depth > kDeepest)
      fail(ErrorKind::format, "{}: JSON nested deeper than {} levels", origin, kDeepest);
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.template get<std::string>()).second)
      fail(ErrorKind::format, "{}: JSON object has the key {} twice", origin,
           readable(parsed.dump()));
    return true;
  };
  try {
    return Value::parse(text.begin(), text.end(), watch);
  } catch (const nlohmann::json::exception& error) {
    std::string why =
        error.what();  // "[json.exception.parse_error.101] parse error at line 1, ..."
    if (const auto end = why.find("] "); end != std::string::npos) why = why.substr(end + 2);
    fail(ErrorKind::format, "{}: not valid JSON: {}", origin, readable(why));
  }
}

}  // namespace

Json parse_json(std::string_view text, std::string_view origin) {
  return parse<Json>(text, origin);
}

SortedJson parse_sorted_json(std::string_view text, std::string_view origin) {
  return parse<SortedJson>(text, origin);
}

}  // namespace patina

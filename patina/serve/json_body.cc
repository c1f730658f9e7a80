#include "patina/serve/json_body.h"

#include <algorithm>
#include <cmath>

namespace patina::serve {

Json json_of(const Request& request) {
  const std::string type = request.type();
  if (type != "application/json" && !(type.empty() && request.body.starts_with('{')))
    throw HttpError(415,
                    fmt::format("the body is {}, and JSON is expected: send it with the header "
                                "Content-Type: application/json",
                                type.empty() ? "of no type" : type));
  try {
    return parse_json(request.body, "the request's body");
  } catch (const Error& error) {
    throw HttpError(400, error.what());
  }
}

JsonObject::JsonObject(const Json& value, std::string where)
    : value_(value), where_(std::move(where)) {
  if (!value.is_object())
    throw HttpError(400,
                    fmt::format("{} must be a JSON object",
                                where_.empty() ? "the body" : where_.substr(0, where_.size() - 1)));
}

void JsonObject::refuse(std::string_view key, const std::string& why) const {
  throw HttpError(400, fmt::format("\"{}\" {}", place(key), why));
}

const Json* JsonObject::find(std::string_view key) const {
  const auto found = value_.find(std::string(key));
  return found == value_.end() || found->is_null() ? nullptr : &*found;
}

const Json& JsonObject::at(std::string_view key) const {
  const Json* value = find(key);
  if (!value) refuse(key, "is missing");
  return *value;
}

std::string JsonObject::text(std::string_view key) const {
  const Json& value = at(key);
  if (!value.is_string()) refuse(key, "must be a text");
  return value.get<std::string>();
}

std::string JsonObject::text(std::string_view key, std::string_view fallback) const {
  return find(key) ? text(key) : std::string(fallback);
}

bool JsonObject::flag(std::string_view key, bool fallback) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_boolean()) refuse(key, "must be true or false");
  return value->get<bool>();
}

int64_t JsonObject::integer(std::string_view key, int64_t fallback, int64_t low,
                            int64_t high) const {
  const Json* value = find(key);
  if (!value) return fallback;
  const bool fits = value->is_number_integer() &&
                    (!value->is_number_unsigned() ||
                     value->get<uint64_t>() <= uint64_t(std::numeric_limits<int64_t>::max()));
  const std::string range = high == std::numeric_limits<int64_t>::max()
                                ? fmt::format("{} or more", low)
                                : fmt::format("from {} to {}", low, high);
  if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high)
    refuse(key, "must be a whole number, " + range);
  return value->get<int64_t>();
}

double JsonObject::number(std::string_view key, double fallback, double low, double high) const {
  const Json* value = find(key);
  if (!value) return fallback;
  if (!value->is_number() || !(value->get<double>() >= low && value->get<double>() <= high))
    refuse(key, fmt::format("must be a number from {} to {}", low, high));
  return value->get<double>();
}

const Json& JsonObject::list(std::string_view key) const {
  const Json& value = at(key);
  if (!value.is_array()) refuse(key, "must be a list");
  return value;
}

std::vector<std::string> JsonObject::texts(std::string_view key) const {
  const Json* value = find(key);
  if (!value) return {};
  if (value->is_string()) return {value->get<std::string>()};
  if (!value->is_array() ||
      std::ranges::any_of(*value, [](const Json& one) { return !one.is_string(); }))
    refuse(key, "must be a text or a list of texts");
  return value->get<std::vector<std::string>>();
}

void JsonObject::only(const std::vector<std::string>& known) const {
  for (const auto& [key, value] : value_.items())
    if (std::ranges::find(known, key) == known.end())
      throw HttpError(
          400, fmt::format("\"{}\" is not known here{}", place(key), did_you_mean(key, known)));
}

}  // namespace patina::serve

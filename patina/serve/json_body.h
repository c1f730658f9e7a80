// JSON in requests, read with errors that name the key.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/json.h"
#include "patina/serve/http.h"

namespace patina::serve {

/// The body of a request as JSON. Throws HttpError(415) for another type, HttpError(400) if it is
/// malformed.
Json json_of(const Request& request);

/// An object of a request; lent. Every function throws HttpError(400) with the key if the value is
/// of another type or out of range. `null` is as if the key were absent.
class JsonObject {
 public:
  /// `where` is put in front of keys in messages: "inputs[0]."
  explicit JsonObject(const Json& value, std::string where = "");

  const Json* find(std::string_view key) const;  // null: absent
  const Json& at(std::string_view key) const;
  std::string text(std::string_view key) const;
  std::string text(std::string_view key, std::string_view fallback) const;
  bool flag(std::string_view key, bool fallback) const;
  int64_t integer(std::string_view key, int64_t fallback, int64_t low,
                  int64_t high = std::numeric_limits<int64_t>::max()) const;
  double number(std::string_view key, double fallback, double low, double high) const;
  const Json& list(std::string_view key) const;
  /// A text, or a list of texts; none if absent.
  std::vector<std::string> texts(std::string_view key) const;
  /// Throws if there is a key that is not in `known`.
  void only(const std::vector<std::string>& known) const;

  std::string place(std::string_view key) const { return where_ + std::string(key); }
  [[noreturn]] void refuse(std::string_view key, const std::string& why) const;

 private:
  const Json& value_;
  std::string where_;
};

}  // namespace patina::serve

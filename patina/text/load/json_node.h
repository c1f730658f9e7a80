// A value of a tokenizer's JSON file and its path in the file, so that messages can name both.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "patina/base/error.h"
#include "patina/base/json_fwd.h"

namespace patina {

/// Every access checks the type and throws Error(format) with the path: "tokenizer.json:
/// model.unk_token: ...". The document must outlive the node.
class JsonNode {
 public:
  JsonNode(const SortedJson& value, std::string origin)
      : value_(&value), origin_(std::move(origin)) {}

  /// "tokenizer.json: model.vocab"; for the whole document, only the file's name.
  std::string place() const { return path_.empty() ? origin_ : origin_ + ": " + path_; }
  const SortedJson& value() const { return *value_; }
  bool is_object() const;
  bool is_text() const;

  /// The member; nullopt if it is absent or null.
  std::optional<JsonNode> find(std::string_view key) const;
  JsonNode at(std::string_view key) const;
  std::vector<JsonNode> elements() const;

  std::string text() const;
  bool flag() const;
  int64_t whole() const;
  double number() const;

  std::string text(std::string_view key, std::string_view otherwise) const;
  bool flag(std::string_view key, bool otherwise) const;

  /// Throws if there is another member that is not null: no setting of a file is ignored silently.
  void allow_only(std::initializer_list<std::string_view> keys) const;

  template <class... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorKind::format, "{}: {}", place(), fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  JsonNode inside(const SortedJson& value, std::string path) const;
  void need(bool right, std::string_view what) const;

  const SortedJson* value_;
  std::string origin_, path_;
};

}  // namespace patina

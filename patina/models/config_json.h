// Hugging Face's config.json, read such that no key is silently ignored.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "patina/base/json_fwd.h"
#include "patina/nn/block_shape.h"

namespace patina {

/// Every key must be read, be known not to change the network's computation, or be switched off
/// (null, false, 0, empty); otherwise `finish` refuses the file. Defaults are those of the
/// transformers library. Throws Error(model) with the file and the key.
class ConfigJson {
 public:
  /// At most 16 MiB.
  static ConfigJson read(const std::filesystem::path& path);
  ConfigJson(Json json, std::string origin);

  const std::string& origin() const { return origin_; }
  std::string text() const;                      // the whole object
  bool has(const std::string& key) const;        // whether it is present and not null
  bool says_null(const std::string& key) const;  // whether it is present and null

  /// An integer in [1, 2^24].
  int64_t size(const std::string& key, std::optional<int64_t> standard = {});
  /// An integer in [0, 2^24].
  int64_t count(const std::string& key, int64_t standard);
  /// An integer in [-2^24, 2^24].
  int64_t integer(const std::string& key, int64_t standard);
  /// The side of a square: a size, or a list of two equal ones.
  int64_t side(const std::string& key, std::optional<int64_t> standard = {});
  /// A size, where -1 stands for none: 0.
  int64_t size_or_none(const std::string& key);
  /// A positive, finite number.
  double number(const std::string& key, std::optional<double> standard = {});
  bool flag(const std::string& key, bool standard);
  std::string word(const std::string& key, const std::string& standard);
  int64_t id(const std::string& key, int64_t standard);
  /// A list of finite numbers; empty if absent.
  std::vector<double> numbers(const std::string& key);
  /// A list of words; empty if absent.
  std::vector<std::string> words(const std::string& key);
  /// The same, or one text with `between` between the words.
  std::vector<std::string> words_of(const std::string& key, char between);
  nn::Activation activation(const std::string& key, const std::string& standard);
  /// The activation named `name`, the value of `key`.
  nn::Activation activation_called(const std::string& name, const std::string& key) const;
  /// The name of an activation in a config.json.
  static std::string name_of(nn::Activation activation);
  /// A nested object; empty if absent.
  ConfigJson part(const std::string& key);

  /// Throws unless the key is absent or has `value`: other values are not supported.
  void must_be(const std::string& key, std::nullptr_t);
  void must_be(const std::string& key, bool value);
  void must_be(const std::string& key, int value);
  void must_be(const std::string& key, double value);
  void must_be(const std::string& key, const char* value);
  /// The same for every element of a list.
  void all_must_be(const std::string& key, const char* value);
  /// Keys that do not change what the network computes.
  void skip(std::initializer_list<const char*> keys);
  /// Throws if there are keys that were not read; the message lists all of them.
  void finish() const;

 private:
  const Json* find(const std::string& key);  // marks it as read; null if absent or null
  void must_equal(const std::string& key, const Json& value);

  std::shared_ptr<const Json> json_;
  std::string origin_;
  std::set<std::string> read_;
};

}  // namespace patina

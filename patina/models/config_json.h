// config.json as Hugging Face writes it, read so that nothing in it is silently ignored.
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

/// Every key is read by somebody, known not to change what the network computes, or switched off
/// (null, false, 0, empty); otherwise `finish` refuses the file. Defaults are those of the
/// library that writes these files. Throws Error(model) naming the file and the key.
class ConfigJson {
 public:
  /// At most 16 MiB.
  static ConfigJson read(const std::filesystem::path& path);
  ConfigJson(Json json, std::string origin);

  const std::string& origin() const { return origin_; }
  bool has(const std::string& key) const;  // and it is not null

  /// A whole number in [1, 2^24].
  int64_t size(const std::string& key, std::optional<int64_t> standard = {});
  /// A number above 0 and finite.
  double number(const std::string& key, double standard);
  bool flag(const std::string& key, bool standard);
  std::string word(const std::string& key, const std::string& standard);
  int64_t id(const std::string& key, int64_t standard);
  nn::Activation activation(const std::string& key, const std::string& standard);
  /// What `name` is, which was read from `key`.
  nn::Activation activation_called(const std::string& name, const std::string& key) const;
  /// An object inside; an absent one is empty.
  ConfigJson part(const std::string& key);

  /// The key must be absent or hold `value`: patina does not have what another value asks for.
  void must_be(const std::string& key, std::nullptr_t);
  void must_be(const std::string& key, bool value);
  void must_be(const std::string& key, int value);
  void must_be(const std::string& key, double value);
  void must_be(const std::string& key, const char* value);
  /// The same of every element of a list.
  void all_must_be(const std::string& key, const char* value);
  /// Keys that do not change what the network computes.
  void skip(std::initializer_list<const char*> keys);
  /// Refuses what nobody read, all of it at once.
  void finish() const;

 private:
  const Json* find(const std::string& key);  // marks it as read; null when absent or null
  void must_equal(const std::string& key, const Json& value);

  std::shared_ptr<const Json> json_;
  std::string origin_;
  std::set<std::string> read_;
};

}  // namespace patina

// A vocabulary: tokens, in the spelling of the model's files, and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace patina {

/// Limits for a tokenizer's files, far above those of any published tokenizer.
constexpr uint64_t kLargestTokenizerFile = uint64_t{64} << 20;  // bytes
constexpr int64_t kMostTokens = 4'000'000;
constexpr size_t kLongestToken = 65'536;  // bytes

struct NumberedToken {
  std::string text;
  int64_t id = 0;
};

/// Text from a file, prepared for a message: one line, quoted, truncated to 60 characters.
std::string shown(std::string_view text);

class Vocabulary {
 public:
  /// `tokens` and `added` in any order. An added token may repeat one of `tokens` with the same id.
  /// The ids of `tokens` must start at 0 without gaps; `added` may leave gaps. Throws Error(format)
  /// with `origin` if a token or an id is duplicate, too large or missing.
  Vocabulary(std::vector<NumberedToken> tokens, std::vector<NumberedToken> added,
             std::string_view origin);
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  int64_t size() const { return int64_t(tokens_.size()); }
  std::string_view token(int64_t id) const {
    return id >= 0 && id < size() ? std::string_view(tokens_[size_t(id)]) : std::string_view();
  }
  std::optional<int64_t> id(std::string_view token) const {
    const auto at = ids_.find(token);
    return at == ids_.end() ? std::nullopt : std::optional<int64_t>(at->second);
  }

 private:
  void place(NumberedToken token, std::string_view origin);

  std::vector<std::string> tokens_;                    // "" if the id is unused
  std::unordered_map<std::string_view, int32_t> ids_;  // views of tokens_, which never grows
};

}  // namespace patina

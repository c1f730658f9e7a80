// A vocabulary: tokens as the model's files spell them, and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace patina {

/// Limits on a tokenizer's files, far above any in use.
constexpr uint64_t kLargestTokenizerFile = uint64_t{64} << 20;  // bytes
constexpr int64_t kMostTokens = 4'000'000;
constexpr size_t kLongestToken = 65'536;  // bytes

struct NumberedToken {
  std::string text;
  int64_t id = 0;
};

/// What a file says, made fit for a message: one line, quoted, cut after 60 characters.
std::string shown(std::string_view text);

class Vocabulary {
 public:
  /// `tokens` and `added` in any order. An added token may repeat one of `tokens` under its id. Ids
  /// begin at 0 and leave no gap below the largest of `tokens`; added ones may leave some unused.
  /// Throws Error(format) naming `origin` when a token or an id comes twice, is too large, or
  /// lacks.
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

  std::vector<std::string> tokens_;                    // "" where an id is unused
  std::unordered_map<std::string_view, int32_t> ids_;  // views of tokens_, which never grows
};

}  // namespace patina

// Tokens that are found in the text itself before anything splits it: "[MASK]", "<|endoftext|>".
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace patina {

struct AddedToken {
  std::string text;
  int64_t id = 0;
  bool special = true;       // left out by decode(ids, true)
  bool normalized = false;   // looked for after normalizing, else before
  bool left_strip = false;   // takes the whitespace before it
  bool right_strip = false;  // takes the whitespace behind it
  bool single_word = false;  // counts only where no letter or digit touches it
};

/// Looks for a set of tokens; where two begin at one place the longer is meant.
class AddedTokens {
 public:
  /// Throws Error(format) naming `origin` when a token is empty or longer than 256 bytes.
  AddedTokens(const std::vector<AddedToken>& tokens, std::string_view origin);

  using OnText = std::function<void(std::string_view text, size_t begin)>;
  using OnToken = std::function<void(const AddedToken& token)>;
  /// Calls back in order for each token found and for the text between, where there is any.
  void split(std::string_view text, const OnText& on_text, const OnToken& on_token) const;

  bool empty() const { return tokens_.empty(); }

 private:
  const AddedToken* longest_at(std::string_view text, size_t at) const;

  std::unordered_map<std::string, AddedToken> tokens_;
  std::array<std::vector<size_t>, 256> lengths_;  // of the tokens by first byte, longest first
};

}  // namespace patina

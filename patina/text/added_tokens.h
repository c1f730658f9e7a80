// Added tokens, such as "[MASK]" and "<|endoftext|>". They are matched in the text before it is
// split.
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
  bool special = true;       // omitted by decode(ids, true)
  bool normalized = false;   // matched after normalising; otherwise before
  bool left_strip = false;   // includes the white space before it
  bool right_strip = false;  // includes the white space after it
  bool single_word = false;  // matches only if no letter or digit is adjacent
};

/// Finds a set of tokens in a text. If two tokens start at the same place, the longer one matches.
class AddedTokens {
 public:
  /// Throws Error(format) with `origin` if a token is empty or longer than 256 bytes.
  AddedTokens(const std::vector<AddedToken>& tokens, std::string_view origin);

  using OnText = std::function<void(std::string_view text, size_t begin)>;
  using OnToken = std::function<void(const AddedToken& token)>;
  /// Calls back, in order, for each token found and for the non-empty text between tokens.
  void split(std::string_view text, const OnText& on_text, const OnToken& on_token) const;

  bool empty() const { return tokens_.empty(); }

 private:
  const AddedToken* longest_at(std::string_view text, size_t at) const;

  std::unordered_map<std::string, AddedToken> tokens_;
  std::array<std::vector<size_t>, 256> lengths_;  // of tokens by their first byte, longest first
};

}  // namespace patina

// Decoders: convert tokens, in the spelling of a vocabulary, back to text.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace patina {

/// `append` is called for each token in order and appends the token's text to `out`. `out` may be
/// invalid UTF-8 until the last token, because a character can be spread over several tokens.
struct Decoder {
  /// `first`: no token came before.
  std::function<void(std::string_view token, bool first, std::string& out)> append;
  bool drop_first_space = false;  // the space that the encoder inserted in front of the text
  bool drop_last_space = false;   // the space that ends every word
};

/// For GPT-2's spelling of bytes. A token that ends in `suffix` ends a word; "": no token does.
Decoder byte_level_decoder(std::string suffix = "");
/// For tokens that spell a space as `mark` and, if `byte_fallback`, a byte as "<0xE2>".
Decoder metaspace_decoder(std::string mark, bool drop_first_space, bool byte_fallback);
/// Puts a space between words. A token that begins with `continuing` belongs to the previous word.
/// `cleanup`: removes the space before . ? ! , and English contractions, token by token.
Decoder word_piece_decoder(std::string continuing, bool cleanup);
/// Puts a space between tokens.
Decoder spaced_decoder();

}  // namespace patina

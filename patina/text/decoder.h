// Decoders: from tokens as a vocabulary spells them back to text.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace patina {

/// The text of tokens is what `append` writes for each, in order. The bytes need not be UTF-8 until
/// all are there.
struct Decoder {
  /// `first`: no token came before.
  std::function<void(std::string_view token, bool first, std::string& out)> append;
  bool drop_first_space = false;  // the one that a dummy prefix put there
  bool drop_last_space = false;   // the one that ends every word
};

/// GPT-2's spelling read back; a token that ends in `suffix`, if there is one, ends a word.
Decoder byte_level_decoder(std::string suffix = "");
/// Tokens with `mark` for a space, and bytes written "<0xE2>" where `byte_fallback`.
Decoder metaspace_decoder(std::string mark, bool drop_first_space, bool byte_fallback);
/// Words with spaces between; a token that begins with `continuing` belongs to the word before it.
/// `cleanup`: no space before . ? ! , and English contractions, token by token.
Decoder word_piece_decoder(std::string continuing, bool cleanup);
/// Tokens with spaces between.
Decoder spaced_decoder();

}  // namespace patina

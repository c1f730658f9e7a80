#include "patina/text/decoder.h"

#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "patina/text/pre_tokenizer.h"
#include "patina/text/unicode/byte_alphabet.h"

namespace patina {

namespace {

// The byte of a token spelled "<0xE2>".
std::optional<uint8_t> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  uint8_t byte = 0;
  const auto read = std::from_chars(token.data() + 3, token.data() + 5, byte, 16);
  if (read.ec != std::errc() || read.ptr != token.data() + 5) return std::nullopt;
  return byte;
}

}  // namespace

Decoder byte_level_decoder(std::string suffix) {
  const bool spaced = !suffix.empty();
  return {[suffix = std::move(suffix)](std::string_view token, bool, std::string& out) {
            const bool ends = !suffix.empty() && token.ends_with(suffix);
            if (ends) token.remove_suffix(suffix.size());
            append_spelled_bytes(token, out);
            if (ends) out += ' ';
          },
          false, spaced};
}

Decoder metaspace_decoder(std::string mark, bool drop_first_space, bool byte_fallback) {
  return {[mark = std::move(mark), byte_fallback](std::string_view token, bool, std::string& out) {
            const auto byte = byte_fallback ? fallback_byte(token) : std::nullopt;
            if (byte)
              out += char(*byte);
            else
              out += with_replaced(token, mark, " ");
          },
          drop_first_space, false};
}

Decoder word_piece_decoder(std::string continuing, bool cleanup) {
  return {[continuing = std::move(continuing), cleanup](std::string_view token, bool first,
                                                        std::string& out) {
    std::string text;
    if (!first && !continuing.empty() && token.starts_with(continuing))
      token.remove_prefix(continuing.size());
    else if (!first)
      text = " ";
    text += token;
    if (cleanup)
      for (const std::string_view tight : {".", "?", "!", ",", "n't", "'m", "'s", "'ve", "'re"})
        text = with_replaced(text, " " + std::string(tight), tight);
    out += text;
  }};
}

Decoder spaced_decoder() {
  return {[](std::string_view token, bool first, std::string& out) {
    if (!first) out += ' ';
    out += token;
  }};
}

}  // namespace patina

#include "patina/text/unicode/byte_alphabet.h"

#include <array>

#include "patina/text/unicode/unicode.h"

namespace patina {

namespace {

struct Alphabet {
  std::array<char32_t, 256> letters;
  std::array<int16_t, 0x200> bytes;  // -1: no letter

  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
      letters[size_t(byte)] = printable ? char32_t(byte) : next++;
      bytes[letters[size_t(byte)]] = int16_t(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet built;
  return built;
}

}  // namespace

char32_t letter_of(uint8_t byte) {
  return alphabet().letters[byte];
}

std::optional<uint8_t> byte_of(char32_t letter) {
  const auto& bytes = alphabet().bytes;
  if (letter >= bytes.size() || bytes[letter] < 0) return std::nullopt;
  return uint8_t(bytes[letter]);
}

std::string spelled(std::string_view bytes) {
  std::string out;
  for (const char byte : bytes) append_utf8(out, letter_of(uint8_t(byte)));
  return out;
}

void append_spelled_bytes(std::string_view token, std::string& out) {
  const size_t before = out.size();
  for (size_t at = 0; at < token.size();) {
    const auto byte = byte_of(next_code_point(token, at));
    if (!byte) {
      out.resize(before);
      out += token;
      return;
    }
    out += char(*byte);
  }
}

}  // namespace patina

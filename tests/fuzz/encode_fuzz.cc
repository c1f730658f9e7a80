// Any bytes are text to every kind of tokenizer: ids are in range, a stream gives what decoding at
// once gives, and byte-level ids give the text back.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "patina/text/unicode/unicode.h"
#include "tests/support/tiny_tokenizers.h"

namespace {

using namespace patina;

void check(const Tokenizer& tokenizer, std::string_view text) {
  const auto ids = tokenizer.encode(text);
  std::string streamed;
  TokenStream stream(tokenizer);
  for (const int64_t id : ids) {
    if (id < 0 || id >= tokenizer.size()) std::abort();
    streamed += stream.push(id);
  }
  if (streamed + stream.finish() != tokenizer.decode(ids)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto tokenizers = [] {
    std::vector<std::unique_ptr<Tokenizer>> all;
    for (const auto& json : tiny_tokenizers()) all.push_back(from_json(json));
    return all;
  }();
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& tokenizer : tokenizers) check(*tokenizer, text);
  const Tokenizer& byte_level = *tokenizers[1];
  if (byte_level.decode(byte_level.encode(text)) != repaired_utf8(text)) std::abort();
  return 0;
}

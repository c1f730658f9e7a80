// Any bytes are a tokenizer.json or a patina::Error; what was read encodes and decodes any text.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "patina/base/error.h"
#include "patina/text/load/tokenizer_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = patina::parse_tokenizer_json(text, "fuzz", {});
    for (const auto part : {text.substr(0, 200), std::string_view("it's 12 caf\xc3\xa9  \xff\n")}) {
      const auto encoding = tokenizer->encode_framed(part, part);
      for (const int64_t id : encoding.ids)
        if (id < 0 || id >= tokenizer->size()) std::abort();
      tokenizer->decode(encoding.ids);
    }
  } catch (const patina::Error&) {
  }
  return 0;
}

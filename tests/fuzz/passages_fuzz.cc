// Any bytes are passages that together are the text, each of whole characters and none of them
// blank, or an Error.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/data/formats/lines.h"
#include "patina/data/formats/passages.h"
#include "patina/text/unicode/unicode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string text(reinterpret_cast<const char*>(data + 1), size - 1);
  try {
    const patina::Passages passages(text, "fuzz", 4 + data[0] % 32);
    std::string all;
    for (int64_t i = 0; i < passages.size(); ++i) {
      const std::string passage = passages.text(i).first;
      // The first may begin with more space than fits into a passage.
      if (!patina::is_utf8(passage) || (i > 0 && patina::is_blank(passage))) std::abort();
      all += passage;
    }
    if (all != patina::checked_utf8(text, "fuzz")) std::abort();
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  return 0;
}

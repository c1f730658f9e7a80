// Any bytes are lines of labelled texts, or an Error.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/formats/table.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto table = patina::parse_jsonl({reinterpret_cast<const char*>(data), size}, {}, "fuzz");
    int64_t line = 0;
    for (const auto& record : table.records) {
      if (record.text.first.empty() || record.at <= line) std::abort();
      line = record.at;
    }
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  return 0;
}

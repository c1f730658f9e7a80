// Any bytes are pairs of an aspect and a sentence with their polarities, or an Error.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/formats/text_sets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto table = patina::parse_aspects({reinterpret_cast<const char*>(data), size}, "fuzz");
    for (size_t i = 0; i < table.records.size(); ++i) {
      const auto& record = table.records[i];
      if (record.text.first.empty() || record.text.second.empty() || record.label.empty() ||
          record.label == "+" || record.label == "-" || record.at != int64_t(i))
        std::abort();
    }
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  return 0;
}

// Any bytes are splits of labelled texts, or an Error; and a label map, or an Error.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/base/json.h"
#include "patina/data/formats/texts.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    for (const auto& [name, table] : patina::parse_json_texts(text, {.pair = "b"}, "fuzz"))
      for (size_t i = 0; i < table.records.size(); ++i)
        if (table.records[i].at != int64_t(i)) std::abort();
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  try {
    const auto map = patina::LabelMap::parse(text, "fuzz");
    for (const auto& name : map.classes()) {
      const int64_t found = map(name, "fuzz");
      if (found < 0 || found >= int64_t(map.classes().size())) std::abort();
    }
  } catch (const patina::Error&) {
    // Refusing is fine, also the name of a class that is no label.
  }
  return 0;
}

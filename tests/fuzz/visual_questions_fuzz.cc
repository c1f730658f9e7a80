// Any text is lines of questions about images, or an Error; every question has its image.
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/data/formats/visual_questions.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    std::vector<std::string> images;
    const auto records =
        patina::parse_visual_questions({reinterpret_cast<const char*>(data), size}, "fuzz", images);
    if (records.empty()) std::abort();
    for (const auto& record : records)
      if (record.image >= images.size() || record.question.empty() || record.answer.empty())
        std::abort();
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  return 0;
}

// Any bytes are sentences with two marked entities, or an Error; without the four marks, a sentence
// is the one in the file.
#include <algorithm>
#include <cstdlib>

#include "patina/base/error.h"
#include "patina/data/formats/text_sets.h"

namespace {

// The third cell of a line, from 1.
std::string_view sentence_of(std::string_view text, int64_t line) {
  for (; line > 1; --line) text.remove_prefix(text.find('\n') + 1);
  text = text.substr(0, text.find('\n'));
  for (int cell = 0; cell < 2; ++cell) text.remove_prefix(text.find('\t') + 1);
  return text.substr(0, text.find('\t'));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto table = patina::parse_relations(text, "fuzz");
    int64_t line = 0;
    for (const auto& record : table.records) {
      if (record.at <= line || !record.text.second.empty()) std::abort();
      line = record.at;
      const std::string_view sentence = sentence_of(text, line);
      const std::string& marked = record.text.first;
      if (marked.size() != sentence.size() + 8 ||
          !std::ranges::is_permutation(std::string(sentence) + " $ $ # #", marked))
        std::abort();
    }
  } catch (const patina::Error&) {
    // Refusing is fine.
  }
  return 0;
}

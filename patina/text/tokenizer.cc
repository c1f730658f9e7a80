// Framing: what a model wants around its texts, whatever the tokenizer.
#include "patina/text/tokenizer.h"

#include <algorithm>

#include "patina/base/error.h"

namespace patina {

Encoding Tokenizer::encode_framed(std::string_view text, std::optional<std::string_view> second,
                                  int64_t max_length) const {
  std::vector<int64_t> a = encode(text), b;
  if (second) b = encode(*second);
  const auto& last = second ? frame_.after_pair : frame_.after;
  const size_t around =
      frame_.before.size() + last.size() + (second ? frame_.between.size() : size_t{0});
  if (max_length > 0) {
    PATINA_CHECK(size_t(max_length) >= around, "{} tokens around a text, {} allowed", around,
                 max_length);
    while (around + a.size() + b.size() > size_t(max_length))
      (a.size() > b.size() ? a : b).pop_back();
  }
  Encoding encoding;
  const auto add = [&](const std::vector<int64_t>& ids, int64_t type) {
    encoding.ids.insert(encoding.ids.end(), ids.begin(), ids.end());
    encoding.types.resize(encoding.ids.size(), type);
  };
  const int64_t type = frame_.second_type ? 1 : 0;
  add(frame_.before, 0);
  add(a, 0);
  if (second) {
    add(frame_.between, 0);
    add(b, type);
  }
  add(last, second ? type : 0);
  return encoding;
}

}  // namespace patina

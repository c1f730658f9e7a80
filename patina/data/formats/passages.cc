#include "patina/data/formats/passages.h"

#include <algorithm>

#include "patina/base/error.h"
#include "patina/data/formats/lines.h"
#include "patina/data/formats/set_files.h"

namespace patina {

namespace {

// Where a passage that begins at `start` ends.
size_t end_of(std::string_view text, size_t start, size_t bytes) {
  if (text.size() - start <= bytes) return text.size();
  const size_t limit = start + bytes, half = start + bytes / 2;
  for (const char mark : {'\n', ' '})
    if (const size_t at = text.rfind(mark, limit - 1); at != text.npos && at >= half) return at + 1;
  size_t end = limit;
  while (end > start + 1 && (uint8_t(text[end]) & 0xc0) == 0x80) --end;  // inside a character
  return end;
}

}  // namespace

Passages::Passages(const std::string& text, std::string origin, int64_t bytes)
    : text_(checked_utf8(text, origin)), origin_(std::move(origin)) {
  PATINA_REQUIRE(bytes >= 4, "passages of {} bytes", bytes);
  if (is_blank(text_)) fail(ErrorKind::data, "{}: no text in it", origin_);
  int64_t line = 1;
  for (size_t start = 0; start < text_.size();) {
    const size_t end = end_of(text_, start, size_t(bytes));
    const std::string_view passage = std::string_view(text_).substr(start, end - start);
    // A passage of spaces alone belongs to the one before.
    if (!is_blank(passage) || starts_.empty()) {
      starts_.push_back(start);
      lines_.push_back(line);
    }
    line += std::ranges::count(passage, '\n');
    start = end;
  }
  starts_.push_back(text_.size());
}

Text Passages::text(int64_t i) const {
  const size_t at = size_t(i);
  return {text_.substr(starts_[at], starts_[at + 1] - starts_[at]), ""};
}

std::string Passages::origin(int64_t i) const {
  return fmt::format("{}:{}", origin_, lines_[size_t(i)]);
}

const std::vector<std::string>& Passages::classes() const {
  static const std::vector<std::string> one = {"passages"};
  return one;
}

DataSplits open_passages(const fs::path& path, const DataOptions& options) {
  return open_sets(path, options.sets, {".txt"}, [&](const fs::path& file) {
    return std::make_unique<Passages>(read_file_text(file, kMostBytes), file.string(),
                                      options.passage_bytes);
  });
}

}  // namespace patina

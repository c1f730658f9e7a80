#include "patina/data/formats/lines.h"

#include "patina/text/unicode/unicode.h"

namespace patina {

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos;
}

std::string read_file_text(const fs::path& path, uint64_t limit) {
  const Bytes bytes = read_maybe_gzip(path, limit);
  return {bytes.begin(), bytes.end()};
}

std::string_view checked_utf8(std::string_view text, const std::string& origin) {
  if (!is_utf8(text))
    each_line(text, origin, [&](std::string_view line, int64_t number) {
      if (!is_utf8(line))
        fail(ErrorKind::format,
             "{}:{}: not UTF-8; convert the file, for example with `iconv -t UTF-8`", origin,
             number);
    });
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  return text;
}

}  // namespace patina

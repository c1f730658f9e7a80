#include "patina/data/files.h"

#include <sstream>

#include "patina/base/error.h"
#include "patina/base/json.h"

namespace patina {

Image read_sample(const fs::path& path) {
  try {
    return read_image(path);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::format) throw;
    fail(ErrorKind::data,
         "{}; replace the file, or leave such images out with --skip-bad-images "
         "(data.skip_bad_images)",
         error.what());
  }
}

void check_class_names(const std::vector<std::string>& names, std::string_view origin,
                       std::string_view what) {
  for (const auto& name : names) {
    if (name.empty()) fail(ErrorKind::data, "{}: a {} without a name", origin, what);
    for (const unsigned char c : name)
      if (c < 0x20 || c == 0x7f)
        fail(ErrorKind::data, "{}: a {} name holds a control character; rename it", origin, what);
    try {
      (void)Json(name).dump();  // throws if it is not UTF-8
    } catch (const Json::exception&) {
      fail(ErrorKind::data, "{}: a {} name is not UTF-8; rename it", origin, what);
    }
  }
}

fs::path find_file(const fs::path& folder, const std::string& name) {
  for (const char* end : {"", ".gz"})
    if (is_file(folder / (name + end))) return folder / (name + end);
  return {};
}

fs::path need_file(const fs::path& folder, const std::string& name) {
  fs::path found = find_file(folder, name);
  if (found.empty())
    fail(ErrorKind::data, "{}: missing (neither plain nor with .gz)", (folder / name).string());
  return found;
}

std::vector<std::vector<std::string>> read_tsv(const fs::path& path, size_t columns) {
  std::istringstream lines(read_text(path, uint64_t{1} << 26));
  std::vector<std::vector<std::string>> rows;
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) continue;
    std::vector<std::string> cells;
    std::istringstream row(line);
    for (std::string cell; std::getline(row, cell, '\t');) cells.push_back(cell);
    if (cells.size() < columns)
      fail(ErrorKind::format, "{}:{}: {} columns separated by tabs, at least {} expected",
           path.string(), number, cells.size(), columns);
    rows.push_back(std::move(cells));
  }
  return rows;
}

}  // namespace patina

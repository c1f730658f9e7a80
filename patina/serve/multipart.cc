#include "patina/serve/multipart.h"

#include <fmt/format.h>

#include <optional>

#include "patina/serve/http.h"

namespace patina::serve {

namespace {

constexpr size_t kMostParts = 10000;

[[noreturn]] void damaged(const char* what) {
  throw HttpError(400, fmt::format("the form (multipart/form-data) is damaged: {}", what));
}

char small(char c) {
  return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c;
}

bool same_word(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (small(a[i]) != small(b[i])) return false;
  return true;
}

// The parameter `name` of a header's value, such as boundary=... or filename="...".
std::optional<std::string> parameter(std::string_view value, std::string_view name) {
  size_t at = value.find(';');
  while (at < value.size()) {
    at = value.find_first_not_of("; \t", at);
    if (at == value.npos) break;
    const size_t equals = value.find_first_of("=;", at);
    if (equals == value.npos || value[equals] == ';') {
      at = equals;
      continue;
    }
    const bool wanted = same_word(value.substr(at, equals - at), name);
    std::string found;
    at = equals + 1;
    if (at < value.size() && value[at] == '"') {
      for (++at; at < value.size() && value[at] != '"'; ++at) {
        // Browsers write quotes as %22; others put a backslash before them.
        if (value[at] == '\\' && at + 1 < value.size() && value[at + 1] == '"') ++at;
        found += value[at];
      }
      if (at >= value.size()) return std::nullopt;
      ++at;
    } else {
      const size_t end = std::min(value.find_first_of("; \t", at), value.size());
      found = value.substr(at, end - at);
      at = end;
    }
    if (wanted) return found;
  }
  return std::nullopt;
}

FormPart part_of(std::string_view head) {
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end == head.npos ? head.size() : end + 2);
    const size_t colon = line.find(':');
    if (colon == line.npos) damaged("a part's header has no colon");
    if (!same_word(line.substr(0, colon), "content-disposition")) continue;
    const std::string_view value = line.substr(colon + 1);
    const auto name = parameter(value, "name"), file = parameter(value, "filename");
    if (!name) damaged("a part has no name");
    return {.name = *name, .file = file.value_or(""), .is_file = file.has_value()};
  }
  damaged("a part has no Content-Disposition");
}

}  // namespace

std::vector<FormPart> parse_form(std::string_view body, std::string_view content_type) {
  const auto boundary = parameter(content_type, "boundary");
  constexpr size_t kLongestBoundary = 70;
  if (!boundary || boundary->empty() || boundary->size() > kLongestBoundary)
    damaged("its Content-Type names no boundary of 1 to 70 characters");
  const std::string delimiter = "\r\n--" + *boundary;
  // The first delimiter may stand at the very beginning.
  size_t at;
  if (body.starts_with(std::string_view(delimiter).substr(2))) {
    at = delimiter.size() - 2;
  } else {
    at = body.find(delimiter);
    if (at == body.npos) damaged("its boundary is not in it");
    at += delimiter.size();
  }
  std::vector<FormPart> parts;
  while (true) {
    const std::string_view rest = body.substr(at);
    if (rest.starts_with("--")) return parts;
    if (!rest.starts_with("\r\n")) damaged("a boundary's line does not end");
    const size_t head_end = rest.find("\r\n\r\n");
    if (head_end == rest.npos) damaged("a part's headers do not end");
    const size_t data = head_end + 4, end = rest.find(delimiter, data - 2);
    if (end == rest.npos) damaged("its last boundary is missing: it was cut off");
    FormPart part = part_of(rest.substr(2, head_end > 2 ? head_end - 2 : 0));
    part.data = end < data ? std::string_view{} : rest.substr(data, end - data);
    parts.push_back(std::move(part));
    if (parts.size() > kMostParts) damaged("it has too many parts");
    at += end + delimiter.size();
  }
}

}  // namespace patina::serve

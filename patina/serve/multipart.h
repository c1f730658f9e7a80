// Bodies of forms: multipart/form-data (RFC 7578), as browsers and `curl -F` send files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace patina::serve {

/// A field of a form, or a file.
struct FormPart {
  std::string name, file;  // file: its name, "" of a field
  bool is_file = false;
  std::string_view data;  // lent by the body
};

/// The parts of a body; `content_type` has the boundary. Throws HttpError(400).
std::vector<FormPart> parse_form(std::string_view body, std::string_view content_type);

}  // namespace patina::serve

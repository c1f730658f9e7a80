// The text of a chat template, and how messages name a place in it.
#pragma once

#include <string>
#include <string_view>

#include "patina/base/error.h"

namespace patina::chat {

struct Source {
  std::string text;    // with "\n" as the only line break
  std::string origin;  // names the template in messages

  /// "chat_template.jinja: line 3, column 7".
  std::string place(size_t at) const;
};

/// A template that patina does not read: throws Error(format) with the place.
template <class... Args>
[[noreturn]] void refuse(const Source& source, size_t at, fmt::format_string<Args...> format,
                         Args&&... args) {
  fail(ErrorKind::format, "{}: {}", source.place(at),
       fmt::format(format, std::forward<Args>(args)...));
}

/// A mistake while a template is rendered: throws Error(data), to which the renderer adds the
/// place.
template <class... Args>
[[noreturn]] void wrong(fmt::format_string<Args...> format, Args&&... args) {
  fail(ErrorKind::data, "{}", fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace patina::chat

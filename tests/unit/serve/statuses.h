// What a refused request says.
#pragma once

#include <functional>
#include <string>

#include "patina/serve/http.h"

namespace patina::serve {

/// The status of the HttpError that `call` throws; 0: none.
inline int status_of_error(const std::function<void()>& call) {
  try {
    call();
  } catch (const HttpError& error) {
    return error.status();
  }
  return 0;
}

inline std::string refusal_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const HttpError& error) {
    return error.what();
  }
  return "";
}

}  // namespace patina::serve

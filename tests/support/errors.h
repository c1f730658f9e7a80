// Errors in tests: their text, and the words in it.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "patina/base/error.h"

namespace patina {

/// The text of the Error that `body` throws; "" if it throws none. Other exceptions are not caught.
template <class Body>
std::string error_of(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// The same; the test fails if the Error has another kind.
template <class Body>
std::string error_of(ErrorKind kind, Body body) {
  return error_of([&] {
    try {
      body();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      throw;
    }
  });
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace patina

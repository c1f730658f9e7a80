// Reference values of text metrics, and the comparison they are held to.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "patina/base/file.h"
#include "patina/base/json.h"
#include "patina/eval/matrix.h"

namespace patina {

constexpr double kMetricTolerance = 1e-9;

inline Json read_cases(const std::filesystem::path& path) {
  return parse_json(read_text(path), path.string());
}

/// Within 1e-9 of the expected value, relative to its size; 0 must be exact.
inline void expect_close(double actual, double expected, const std::string& what) {
  EXPECT_LE(std::abs(actual - expected), kMetricTolerance * std::abs(expected))
      << what << ": " << actual << " instead of " << expected;
}

inline void expect_close(Score actual, double expected, const std::string& what) {
  ASSERT_TRUE(actual) << what;
  expect_close(*actual, expected, what);
}

using Texts = std::vector<std::string>;

/// `text` repeated to at least `bytes`.
inline std::string repeated(const std::string& text, size_t bytes) {
  std::string all;
  while (all.size() < bytes) all += text;
  return all;
}

}  // namespace patina

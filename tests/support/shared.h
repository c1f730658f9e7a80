// Where the tests find reference numbers and real data that do not live in the repository.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <string>
#include <vector>

namespace patina {

/// $PATINA_SHARED, or ../shared beside the source tree; empty when neither exists.
inline std::filesystem::path shared_folder() {
  if (const char* set = std::getenv("PATINA_SHARED")) return set;
  const auto beside = std::filesystem::path(PATINA_SOURCE_DIR).parent_path() / "shared";
  return std::filesystem::is_directory(beside) ? beside : std::filesystem::path();
}

/// Removes the scratch folders of a program whose tests all passed: together they are gigabytes.
/// After a failure they stay, to be looked at.
class ScratchFolders : public ::testing::EmptyTestEventListener {
 public:
  static void add(const std::filesystem::path& folder) {
    static auto* of_this_program = [] {
      auto* listener = new ScratchFolders;
      ::testing::UnitTest::GetInstance()->listeners().Append(listener);  // takes it over
      return listener;
    }();
    of_this_program->folders_.push_back(folder);
  }

 private:
  void OnTestProgramEnd(const ::testing::UnitTest& tests) override {
    if (!tests.Passed()) return;
    std::error_code ignored;
    for (const auto& folder : folders_) std::filesystem::remove_all(folder, ignored);
  }
  std::vector<std::filesystem::path> folders_;
};

/// A fresh folder under the build's test folder, emptied first. Processes that ctest runs at the
/// same time have different ones: $PATINA_SCRATCH is the entry's name.
inline std::filesystem::path scratch_folder(const std::string& name) {
  const char* entry = std::getenv("PATINA_SCRATCH");
  auto folder = std::filesystem::path(PATINA_BINARY_DIR) / "test-scratch" /
                (entry ? entry : "by-hand") / name;
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  ScratchFolders::add(folder);
  return folder;
}

/// Reference numbers of small networks are in the tree; of larger ones, in the shared folder.
enum class Fixtures { small, large };

inline void PrintTo(Fixtures fixtures, std::ostream* out) {
  *out << (fixtures == Fixtures::small ? "small" : "large");
}

inline std::filesystem::path fixture_folder(Fixtures fixtures) {
  if (fixtures == Fixtures::small)
    return std::filesystem::path(PATINA_SOURCE_DIR) / "tests/fixtures";
  return shared_folder().empty() ? std::filesystem::path() : shared_folder() / "fixtures";
}

}  // namespace patina

/// Declares `var` as fixture_folder(fixtures)/relative. Large ones may be missing: the test skips
/// with a plain message. Small ones may not.
#define PATINA_NEED_FIXTURE(var, fixtures, relative)                        \
  const auto var = ::patina::fixture_folder(fixtures) / (relative);         \
  if ((fixtures) == ::patina::Fixtures::large &&                            \
      (::patina::shared_folder().empty() || !std::filesystem::exists(var))) \
  GTEST_SKIP() << "needs fixtures/" << (relative)                           \
               << " (set PATINA_SHARED to the folder that holds it)"

/// Declares `var` as shared_folder()/relative, or skips the test with a plain message.
#define PATINA_NEED_SHARED(var, relative)                                 \
  const auto var = ::patina::shared_folder() / (relative);                \
  if (::patina::shared_folder().empty() || !std::filesystem::exists(var)) \
  GTEST_SKIP() << "needs " << (relative) << " (set PATINA_SHARED to the folder that holds it)"
